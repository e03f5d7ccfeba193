// SPDX-License-Identifier: Apache-2.0
// attention: the definition bit for bit, the same bits however positions are cut into calls, and plain double
// mathematics with a bound. Keys and values that no query may see are NaN.

import { WorstElement, expectSameBits } from './compare.js';
import { type KernelCase, describeEachKernel, describeFamily, scalarOf, trim } from './families.js';
import { exp, f, fma, fromF16, sumLanes } from './f32.js';
import { type KernelArgs, type KernelOutputs, lab } from './lab.js';
import { Random } from './random.js';

const family = 'attention';
const block = 64;
const nan16 = 0x7e00;

interface Shape {
  readonly firstPosition: number;
  readonly rows: number;
  readonly heads: number;
  readonly headDim: number;
  /** Elements between the rows of q that belong to others. */
  readonly gap?: number;
  readonly inPlace?: boolean;
}

/** Draws one f16 key or value, and one query element. */
interface Draw {
  readonly half: (random: Random) => number;
  readonly query: (random: Random) => number;
}

const ordinary: Draw = {
  half: (random) => random.pick([0, 0x8000]) + random.integer(0x2000, 0x4100),
  query: (random) => random.real(-3, 3),
};

/** f16 [position][headDim], which the oracle reads. */
interface Plain {
  readonly plainKeys: Uint16Array;
  readonly plainValues: Uint16Array;
}

type Args = Record<'rows' | 'heads' | 'headDim' | 'stride' | 'firstPosition' | 'scale', number> &
  Plain & { readonly q: Float32Array; readonly inPlace: boolean };

/** The kernel's blocks: keys [block][headDim][64], values [block][64][headDim]. */
function blocks({ plainKeys, plainValues }: Plain, headDim: number) {
  const positions = plainKeys.length / headDim;
  const size = Math.ceil(positions / block) * block * headDim;
  const keys = new Uint16Array(size).fill(nan16);
  const values = new Uint16Array(size).fill(nan16);
  values.set(plainValues);
  for (let t = 0; t < positions; t++) {
    const first = Math.floor(t / block) * block * headDim + (t % block);
    for (let d = 0; d < headDim; d++) keys[first + d * block] = plainKeys[t * headDim + d]!;
  }
  return { keys, values };
}

function makeArgs(label: string, shape: Shape, draw: Draw): KernelArgs {
  const random = new Random(label);
  const { firstPosition, rows, heads, headDim, gap = 0, inPlace = false } = shape;
  const stride = heads * headDim + gap;
  const q = Float32Array.from({ length: (rows - 1) * stride + heads * headDim }, () => draw.query(random));
  const halves = () => Uint16Array.from({ length: (firstPosition + rows) * headDim }, () => draw.half(random));
  const plain = { plainKeys: halves(), plainValues: halves() };
  const scale = f(1 / Math.sqrt(headDim));
  return { firstPosition, rows, heads, headDim, stride, scale, inPlace, q, ...plain, ...blocks(plain, headDim) };
}

const widened = Float32Array.from({ length: 65536 }, (_, half) => fromF16(half));

/** One query over the keys 0..t. */
function attend(args: Args, query: Float32Array, t: number): Float32Array {
  const { headDim, plainKeys, plainValues } = args;
  const q = query.map((x) => x * args.scale);
  const lanes = new Float32Array(16);
  const out = new Float32Array(headDim);
  let max = f(-3e38);
  for (let first = 0; first <= t; first += block) {
    const scores: number[] = [];
    for (let j = first; j <= Math.min(t, first + block - 1); j++) {
      let dot = 0;
      for (let d = 0; d < headDim; d++) dot = fma(q[d]!, widened[plainKeys[j * headDim + d]!]!, dot);
      scores.push(dot);
    }
    const before = max;
    for (const score of scores) if (score > max) max = score;
    const keep = exp(f(before - max));
    for (let lane = 0; lane < 16; lane++) lanes[lane]! *= keep;
    for (let d = 0; d < headDim; d++) out[d]! *= keep;
    for (const [j, score] of scores.entries()) {
      const p = exp(f(score - max));
      lanes[j % 16]! += p;
      for (let d = 0; d < headDim; d++) out[d] = fma(p, widened[plainValues[(first + j) * headDim + d]!]!, out[d]!);
    }
  }
  const inverse = f(1 / sumLanes(lanes));
  return out.map((x) => x * inverse);
}

/** Calls `visit` for the query of every row and head. */
function eachQuery(args: Args, visit: (at: number, t: number) => void): void {
  for (let row = 0; row < args.rows; row++) {
    for (let h = 0; h < args.heads; h++) visit(row * args.stride + h * args.headDim, args.firstPosition + row);
  }
}

function oracle(kernelArgs: KernelArgs): KernelOutputs {
  const args = kernelArgs as unknown as Args;
  // Between the rows stands what was there: q in place, unwritten memory otherwise.
  const out = args.inPlace ? Float32Array.from(args.q) : new Float32Array(args.q.length).fill(NaN);
  eachQuery(args, (at, t) => out.set(attend(args, args.q.subarray(at, at + args.headDim), t), at));
  return { out };
}

function oneCase(kind: string, shape: Shape, draw: Draw = ordinary): KernelCase {
  const label = `${kind} ${JSON.stringify(shape)}`;
  return { label, args: () => makeArgs(label, shape, draw) };
}

const positions = [0, 1, 15, 16, 63, 64, 65, 127, 128, 129, 130, 200];
const headDims = [16, 32, 64, 80, 128];

/** Values and queries among the special ones; `finite` keeps the scores finite. */
function special(finite: boolean): Draw {
  const halves = [0, 0x8000, 1, 0x83ff, 0x3c00, 0xbc00, ...(finite ? [0x5800, 0xd800] : [0x7c00, 0xfc00, nan16])];
  return {
    half: (random) => (random.word() % 4 === 0 ? random.pick(halves) : ordinary.half(random)),
    query: (random) => random.pick([0, -0, 1e-40, 1, -1, 30, -30, random.real(-2, 2)]),
  };
}

const flat: Draw = { half: () => 0x3c00, query: () => 1 };
/** Scores of thousands, so that the maximum jumps from block to block and most probabilities are clamped. */
const steep: Draw = { half: (random) => ordinary.half(random) + 0x1800, query: (random) => random.real(-300, 300) };

describeFamily(family, {
  oracle,
  groups: {
    'positions around blocks and lanes, by head dimensions': positions.flatMap((firstPosition) =>
      headDims.map((headDim) => oneCase('position', { firstPosition, rows: 1, heads: 2, headDim, gap: firstPosition % 3 })),
    ),
    'one to eight heads': [1, 2, 3, 4, 5, 6, 7, 8].flatMap((heads) =>
      [0, 20, 64].map((firstPosition) => oneCase('heads', { firstPosition, rows: 2, heads, headDim: 32, gap: heads })),
    ),
    'runs of rows, across blocks, in place': [2, 3, 5, 16, 17, 70].flatMap((rows) =>
      [0, 1, 60, 63, 64].map((firstPosition) => {
        const inPlace = rows % 2 === 1;
        return oneCase('rows', { firstPosition, rows, heads: 3, headDim: 16, gap: 16 * (rows % 2), inPlace });
      }),
    ),
    'the heads of the real model': [0, 63, 130].map((firstPosition) =>
      oneCase('model', { firstPosition, rows: 4, heads: 4, headDim: 64, gap: 3072 - 256, inPlace: true }),
    ),
    'equal and steep scores': [10, 63, 100].flatMap((firstPosition) =>
      [16, 80].flatMap((headDim) => [
        oneCase('flat', { firstPosition, rows: 3, heads: 5, headDim }, flat),
        oneCase('steep', { firstPosition, rows: 3, heads: 5, headDim }, steep),
      ]),
    ),
    'special values, finite and not': [0, 14, 66].flatMap((firstPosition) =>
      [true, false].map((finite) =>
        oneCase(`finite ${finite}`, { firstPosition, rows: 3, heads: 4, headDim: 48 }, special(finite)),
      ),
    ),
  },
});

/** The rows `from` .. `from + rows - 1` of a case as a call of their own. */
function rowsOf(args: Args, from: number, rows: number): KernelArgs {
  const { headDim, heads, stride } = args;
  const firstPosition = args.firstPosition + from;
  const count = (firstPosition + rows) * headDim;
  const plain = { plainKeys: args.plainKeys.subarray(0, count), plainValues: args.plainValues.subarray(0, count) };
  const q = args.q.subarray(from * stride, (from + rows - 1) * stride + heads * headDim);
  return { ...args, rows, firstPosition, q, ...plain, ...blocks(plain, headDim) };
}

describe('attention in pieces', () => {
  const shapes = [
    { firstPosition: 0, rows: 75, heads: 4, headDim: 32 },
    { firstPosition: 50, rows: 90, heads: 3, headDim: 16 },
  ];
  describeEachKernel(family, ({ name }) => {
    for (const [title, sizes] of Object.entries({ 'rows one at a time': [1], 'odd chunks': [7, 1, 13, 3, 31, 5] })) {
      it(`${title} have the bits of one call`, () => {
        for (const shape of trim(shapes)) {
          const args = makeArgs(`pieces ${shape.rows}`, shape, ordinary);
          const whole = lab.run(name, args, 'end')['out']!;
          const stride = args['stride'] as number;
          for (let from = 0, turn = 0; from < shape.rows; turn++) {
            const rows = Math.min(sizes[turn % sizes.length]!, shape.rows - from);
            const out = whole.subarray(from * stride, (from + rows) * stride);
            const piece = lab.run(name, rowsOf(args as unknown as Args, from, rows), 'odd');
            expectSameBits(piece, { out }, `${name}, rows ${from}..${from + rows - 1}`);
            from += rows;
          }
        }
      });
    }
  });
});

describe('attention against double mathematics', () => {
  it('an average of the values, off by the errors of scores, exp and sums', () => {
    const worst = new WorstElement();
    for (const firstPosition of trim(positions)) {
      const shape = { firstPosition, rows: 1, heads: 2, headDim: 64 };
      const kernelArgs = makeArgs(`double ${firstPosition}`, shape, ordinary);
      const args = kernelArgs as unknown as Args;
      const out = lab.run(scalarOf(family), kernelArgs, 'end')['out']!;
      const [keys, values] = [args.plainKeys, args.plainValues].map((halves) => Float64Array.from(halves, fromF16)) as [Float64Array, Float64Array];
      eachQuery(args, (at, t) => {
        const rows = [...Array(t + 1).keys()].map((j) => {
          const terms = [...Array(64).keys()].map((d) => args.q[at + d]! * args.scale * keys[j * 64 + d]!);
          return { score: terms.reduce((a, b) => a + b, 0), size: terms.reduce((a, b) => a + Math.abs(b), 0) };
        });
        const max = Math.max(...rows.map(({ score }) => score));
        const weights = rows.map(({ score }) => Math.exp(score - max));
        const sum = weights.reduce((a, b) => a + b, 0);
        // Relative error of one probability: a dot product of 64 steps plus the scaled query, the subtraction, exp;
        // then of sums over t keys (numerator in a chain, denominator in 16 lanes) and of up to four rescalings.
        const size = Math.max(...rows.map((row) => row.size));
        const units = 2 * (65 * size + size + 3) + (t + 1) + (t / 16 + 5) + 2 * 4 * 4 + 3;
        for (let d = 0; d < 64; d++) {
          const terms = weights.map((weight, j) => (weight / sum) * values[j * 64 + d]!);
          const exact = terms.reduce((a, b) => a + b, 0);
          const magnitude = terms.reduce((a, b) => a + Math.abs(b), 0);
          worst.add(out[at + d]!, exact, units * 2 ** -24 * magnitude, `position ${t}, [${d}]`);
        }
      });
    }
    console.log(`        attention: ${worst}`);
  });
});
