// SPDX-License-Identifier: Apache-2.0
// q4q8_matmul. The definition works on unpacked integers, so that a mistake of packing cannot hide in it; operands are
// packed by the project's own packer, which packing.test.ts holds against docs/packing-format.md.

import { WorstElement } from './compare.js';
import { type KernelCase, describeFamily, highestTile, scalarOf, trim } from './families.js';
import { f, fma, fromF16 } from './f32.js';
import { type KernelArgs, type KernelOutputs, lab } from './lab.js';
import { Random } from './random.js';

const family = 'q4q8_matmul';

interface Shape {
  readonly m: number;
  readonly panels: number;
  readonly k: number;
  readonly group: number;
  /** Panels left out before the computed ones. */
  readonly firstPanel?: number;
  /** Panels left out behind them. */
  readonly lastPanels?: number;
  /** Elements between the rows of every strided operand. */
  readonly gap?: number;
}

/** How the numbers of a case are drawn; scales are f16 bits for the small groups. */
interface Draw {
  readonly q: (random: Random) => number;
  readonly weight: (random: Random, group: number) => number;
  readonly zeroPoint: (random: Random) => number;
  readonly scale: (random: Random) => number;
  readonly halfScale: (random: Random) => number;
  readonly inv: (random: Random) => number;
}

const ordinary: Draw = {
  q: (random) => random.integer(-128, 127),
  weight: (random) => random.integer(-8, 7),
  zeroPoint: (random) => random.integer(-128, 127),
  scale: (random) => random.real(0.001, 0.02),
  halfScale: (random) => random.integer(0x1000, 0x2800),
  inv: (random) => random.real(0.001, 0.1),
};

const corners: Draw = {
  q: (random) => random.pick([-128, -127, 127]),
  weight: (random) => random.pick([-8, 7]),
  zeroPoint: (random) => random.pick([-128, 127, 0]),
  scale: (random) => random.pick([0, 1e30, 1e-30, 1e-42, 1, -0.5]),
  halfScale: (random) => random.pick([0, 0x7bff, 0x0001, 0x03ff, 0x3c00, 0xb800]),
  inv: (random) => random.pick([1, 1e-30, 1e30, 1e-42, NaN]),
};

/** The largest integer sums: every term has one sign. */
function extreme(q: number, weight: number, zeroPoint: number): Draw {
  return { ...ordinary, q: () => q, weight: () => weight, zeroPoint: () => zeroPoint };
}

function packWeights(values: Int8Array, scales: Float32Array | Uint16Array, { k, group, n }: { k: number; group: number; n: number }) {
  const nibbles = new Uint8Array(values.length / 2);
  for (let i = 0; i < nibbles.length; i++) nibbles[i] = (values[2 * i]! + 8) | ((values[2 * i + 1]! + 8) << 4);
  return lab.packPanels({ n, k, group, values: nibbles, scales: new Uint8Array(scales.buffer) });
}

function makeArgs(label: string, shape: Shape, draw: Draw): KernelArgs {
  const random = new Random(label);
  const { m, k, group, panels: panelCount, firstPanel = 0, lastPanels = 0, gap = 0 } = shape;
  const [groups, panels] = [k / group, firstPanel + panelCount + lastPanels];
  // The last panel of a matrix is padded by the packer when its rows do not fill it.
  const n = 16 * panels - (lastPanels === 0 ? random.integer(0, 3) : 0);
  const weights = Int8Array.from({ length: n * k }, (_, i) => draw.weight(random, Math.floor(i / group)));
  const small = group < 128;
  const stored = small
    ? Uint16Array.from({ length: n * groups }, () => draw.halfScale(random))
    : Float32Array.from({ length: n * groups }, () => draw.scale(random));
  const qStride = Math.ceil(k / 64) * 64 + 64 * gap;
  const corrStride = groups + gap;
  const q = Int8Array.from({ length: (m - 1) * qStride + k }, () => draw.q(random));
  const zeroPoints = Int32Array.from({ length: m }, () => draw.zeroPoint(random));
  const corr = new Int32Array((m - 1) * corrStride + groups);
  for (let row = 0; row < m; row++) {
    for (let g = 0; g < groups; g++) {
      const part = q.subarray(row * qStride + g * group, row * qStride + (g + 1) * group);
      const sum = part.reduce((total, value) => total + value, 0);
      corr[row * corrStride + g] = (sum << 16) | (-zeroPoints[row]! & 0xffff);
    }
  }
  const inv = Float32Array.from({ length: m }, () => draw.inv(random));
  const unpacked = { n, weights, zeroPoints, weightScales: small ? Float32Array.from(stored, fromF16) : stored };
  const strides = { qStride, corrStride, cStride: 16 * panelCount + gap };
  const operands = { q, corr, inv, ...packWeights(weights, stored, { k, group, n }) };
  return { m, k, group, panels, firstPanel, panelCount, ...strides, ...operands, ...unpacked };
}

interface Unpacked extends Record<'m' | 'n' | 'k' | 'group' | 'firstPanel' | 'panelCount' | 'qStride' | 'cStride', number> {
  readonly q: Int8Array;
  readonly weights: Int8Array;
  readonly zeroPoints: Int32Array;
  readonly weightScales: Float32Array;
  readonly inv: Float32Array;
}

/** (q - zp) * w summed over each group of one output. */
function integerSums(args: Unpacked, row: number, output: number): number[] {
  const { q, weights, k, group } = args;
  const zeroPoint = args.zeroPoints[row]!;
  const sums: number[] = [];
  for (let first = 0; first < k; first += group) {
    let sum = 0;
    for (let i = first; i < first + group; i++) sum += (q[row * args.qStride + i]! - zeroPoint) * weights[output * k + i]!;
    sums.push(sum);
  }
  return sums;
}

/** Calls `visit` for every output that the padding does not hold. */
function eachOutput(args: Unpacked, visit: (row: number, output: number, at: number) => void): void {
  const first = 16 * args.firstPanel;
  for (let row = 0; row < args.m; row++) {
    for (let output = first; output < Math.min(args.n, first + 16 * args.panelCount); output++) {
      visit(row, output, row * args.cStride + output - first);
    }
  }
}

function oracle(kernelArgs: KernelArgs): KernelOutputs {
  const args = kernelArgs as unknown as Unpacked;
  const { m, cStride, panelCount, inv, weightScales } = args;
  const groups = args.k / args.group;
  const c = new Float32Array((m - 1) * cStride + 16 * panelCount).fill(NaN);
  // Padded outputs are sums of zeros.
  for (let row = 0; row < m; row++) c.fill(0 * inv[row]!, row * cStride, row * cStride + 16 * panelCount);
  eachOutput(args, (row, output, at) => {
    const scales = weightScales.subarray(output * groups, (output + 1) * groups);
    const acc = integerSums(args, row, output).reduce((total, sum, g) => fma(sum, scales[g]!, total), 0);
    c[at] = f(acc * inv[row]!);
  });
  return { c };
}

function oneCase(kind: string, shape: Shape, draw: Draw = ordinary): KernelCase {
  const label = `${kind} ${JSON.stringify(shape)}`;
  return { label, args: () => makeArgs(label, shape, draw) };
}

const tile = highestTile(family);
const rows = [...Array(2 * tile).keys()].map((i) => i + 1);
const groups = [32, 64, 128, 256];
const multiples = [1, 2, 3, 5];

const realShapes = [
  { k: 2048, group: 256 }, // hidden size of Llama Guard 3-1B-INT4
  { k: 6400, group: 256 }, // its feed-forward size
  { k: 256, group: 32 }, // the demo model's sizes
  { k: 768, group: 64 },
];

/** Every group for few rows; for more, which only tall tiles have, one group for each number of rows, and smaller shapes. */
function tileShapes(m: number): Shape[] {
  if (m <= 16) return groups.map((group, i) => ({ m, panels: 1 + ((m + i) % 5), k: group * multiples[(m + i) % 4]!, group }));
  const group = groups[(m + Math.floor(m / 16)) % 4]!;
  return [{ m, panels: 1 + (m % 3), k: group * (1 + (m % 2)), group }];
}

const manyRows: readonly Shape[] = [
  { m: 96, panels: 2, k: 256, group: 256 },
  { m: 97, panels: 3, k: 64, group: 32 },
  { m: 130, panels: 1, k: 128, group: 64 },
  { m: 193, panels: 2, k: 256, group: 128 },
  { m: 225, panels: 1, k: 512, group: 256 },
  { m: 300, panels: 1, k: 32, group: 32 },
];

describeFamily(family, {
  oracle,
  groups: {
    'every number of rows up to two tiles, by groups and odd numbers of panels': rows.flatMap((m) =>
      tileShapes(m).map((shape) => oneCase('tile', shape)),
    ),
    'primes of rows and panels': [29, 31, 37, 61].map((m, i) => oneCase('prime', { m, panels: [7, 11, 13, 3][i]!, k: 224, group: 32 })),
    'more rows than a kernel may keep in a near cache': manyRows.map((shape) => oneCase('many', shape)),
    'the shapes of real models': realShapes.flatMap(({ k, group }) =>
      [1, 2, 3, 16].map((m) => oneCase('model', { m, panels: 3, k, group })),
    ),
    'a range of panels, and rows with gaps': [1, 2, 5, tile + 1].flatMap((m) =>
      groups.map((group, i) => oneCase('part', { m, panels: 1 + i, k: 2 * group, group, firstPanel: 1 + (m % 2), lastPanels: i % 3, gap: 1 + i })),
    ),
    'value corners': [1, 2, 3, tile].flatMap((m) =>
      groups.map((group) => oneCase('corner', { m, panels: 3, k: 3 * group, group }, corners)),
    ),
    'the largest integer sums': [-8, 0, 7].flatMap((weight) =>
      [-128, -127, 127].flatMap((q) =>
        [-128, 127].map((zp) => oneCase(`extreme q ${q} w ${weight} zp ${zp}`, { m: 3, panels: 2, k: 512, group: 256 }, extreme(q, weight, zp))),
      ),
    ),
    'groups of zeros': groups.map((group) => {
      const sparse: Draw = { ...ordinary, weight: (random, index) => (index % 2 === 0 ? 0 : random.integer(-8, 7)) };
      return oneCase('zeros', { m: 3, panels: 2, k: 4 * group, group }, sparse);
    }),
  },
});

describe('q4q8_matmul against double mathematics', () => {
  it('one rounding per group on the partial sums, one for the factor of the row', () => {
    const worst = new WorstElement();
    for (const shape of trim([1, 4, 25].map((multiple) => ({ m: 4, panels: 3, k: 256 * multiple, group: 256 })))) {
      const args = makeArgs(`double ${shape.k}`, shape, ordinary);
      const c = lab.run(scalarOf(family), args, 'end')['c']!;
      const unpacked = args as unknown as Unpacked;
      const count = shape.k / shape.group;
      eachOutput(unpacked, (row, output, at) => {
        const terms = integerSums(unpacked, row, output).map((sum, g) => sum * unpacked.weightScales[output * count + g]!);
        const inv = unpacked.inv[row]!;
        const size = terms.reduce((total, term) => total + Math.abs(term), 0) * inv;
        const exact = terms.reduce((total, term) => total + term, 0) * inv;
        worst.add(c[at]!, exact, 1.001 * (count + 1) * 2 ** -24 * size, `k ${shape.k}, row ${row}, output ${output}`);
      });
    }
    console.log(`        q4q8_matmul: ${worst}`);
  });
});
