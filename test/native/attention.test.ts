// SPDX-License-Identifier: Apache-2.0
// attention: the definition bit for bit, the same bits however positions are cut into calls and whoever shares the call,
// and plain double mathematics with a bound.

import { type Args, argsOf, assemble, type Draw, makeArgs, ordinary, type Plain, rowsOfRuns, type Shape } from './attention-args.js';
import { WorstElement, expectSameBits } from './compare.js';
import { type KernelCase, describeEachKernel, describeFamily, scalarOf, trim } from './families.js';
import { exp, f, fma, fromF16, sumLanes } from './f32.js';
import { type KernelArgs, type KernelOutputs, lab } from './lab.js';

const family = 'attention';
const block = 64;
const nan16 = 0x7e00;

const widened = Float32Array.from({ length: 65536 }, (_, half) => fromF16(half));

/** One scaled query over the keys 0..t. */
function attend(q: Float32Array, { keys, values }: Plain, t: number): Float32Array {
  const headDim = q.length;
  const lanes = new Float32Array(16);
  const out = new Float32Array(headDim);
  let max = f(-3e38);
  for (let first = 0; first <= t; first += block) {
    const scores: number[] = [];
    for (let j = first; j <= Math.min(t, first + block - 1); j++) {
      let dot = 0;
      for (let d = 0; d < headDim; d++) dot = fma(q[d]!, widened[keys[j * headDim + d]!]!, dot);
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
      for (let d = 0; d < headDim; d++) out[d] = fma(p, widened[values[(first + j) * headDim + d]!]!, out[d]!);
    }
  }
  const inverse = f(1 / sumLanes(lanes));
  return out.map((x) => x * inverse);
}

/** Calls `visit` for the query of every row and head. */
function eachQuery({ kernel, facts }: Args, visit: (at: number, plain: Plain, t: number) => void): void {
  let row = 0;
  for (const [i, { firstPosition, rows }] of facts.runs.entries()) {
    for (let r = 0; r < rows; r++, row++) {
      for (let h = 0; h < facts.heads; h++) visit(row * kernel.stride + h * facts.headDim, facts.plain[i]!, firstPosition + r);
    }
  }
}

function oracle(kernelArgs: KernelArgs): KernelOutputs {
  const args = argsOf(kernelArgs);
  const { q, scale } = args.kernel;
  // Between the rows stands what was there: q in place, unwritten memory otherwise.
  const out = args.facts.inPlace ? Float32Array.from(q) : new Float32Array(q.length).fill(NaN);
  eachQuery(args, (at, plain, t) => {
    const query = q.subarray(at, at + args.facts.headDim).map((x) => x * scale);
    out.set(attend(query, plain, t), at);
  });
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
      headDims.map((headDim) => oneCase('position', { runs: [{ firstPosition, rows: 1 }], heads: 2, headDim, gap: firstPosition % 3 })),
    ),
    'one to eight heads': [1, 2, 3, 4, 5, 6, 7, 8].flatMap((heads) =>
      [0, 20, 64].map((firstPosition) => oneCase('heads', { runs: [{ firstPosition, rows: 2 }], heads, headDim: 32, gap: heads })),
    ),
    'runs of rows, across blocks, in place': [2, 3, 5, 16, 17, 70].flatMap((rows) =>
      [0, 1, 60, 63, 64].map((firstPosition) => {
        const inPlace = rows % 2 === 1;
        return oneCase('rows', { runs: [{ firstPosition, rows }], heads: 3, headDim: 16, gap: 16 * (rows % 2), inPlace });
      }),
    ),
    'the heads of the real model': [0, 63, 130].map((firstPosition) =>
      oneCase('model', { runs: [{ firstPosition, rows: 4 }], heads: 4, headDim: 64, gap: 3072 - 256, blockOffset: 320, inPlace: true }),
    ),
    'runs of several sequences, with and without shared blocks': [0, 1, 2].flatMap((sharedBlocks) =>
      [1, 4].map((heads) => {
        const first = sharedBlocks * block;
        const runs = [{ firstPosition: first, rows: 1 }, { firstPosition: first + 70, rows: 9 }, { firstPosition: first + 5, rows: 2 }];
        return oneCase('runs', { runs, sharedBlocks, heads, headDim: 32, gap: 8, blockOffset: 16 });
      }),
    ),
    'equal and steep scores': [10, 63, 100].flatMap((firstPosition) =>
      [16, 80].flatMap((headDim) => [
        oneCase('flat', { runs: [{ firstPosition, rows: 3 }], heads: 5, headDim }, flat),
        oneCase('steep', { runs: [{ firstPosition, rows: 3 }], heads: 5, headDim }, steep),
      ]),
    ),
    'special values, finite and not': [0, 14, 66].flatMap((firstPosition) =>
      [true, false].map((finite) =>
        oneCase(`finite ${finite}`, { runs: [{ firstPosition, rows: 3 }], heads: 4, headDim: 48 }, special(finite)),
      ),
    ),
  },
});

/** The rows `from` .. `from + rows - 1` of a run as a call of their own. */
function rowsOf({ kernel, facts }: Args, run: number, from: number, rows: number): KernelArgs {
  const { headDim, heads } = facts;
  const firstPosition = facts.runs[run]!.firstPosition + from;
  const count = (firstPosition + rows) * headDim;
  const { keys, values } = facts.plain[run]!;
  const plain = [{ keys: keys.subarray(0, count), values: values.subarray(0, count) }];
  const first = (rowsOfRuns(facts.runs.slice(0, run)) + from) * kernel.stride;
  const q = kernel.q.slice(first, first + (rows - 1) * kernel.stride + heads * headDim);
  return assemble({ ...facts, runs: [{ firstPosition, rows }], sharedBlocks: 0, plain }, q);
}

describe('attention in pieces', () => {
  const shapes: readonly Shape[] = [
    { runs: [{ firstPosition: 0, rows: 75 }], heads: 4, headDim: 32 },
    { runs: [{ firstPosition: 50, rows: 90 }], heads: 3, headDim: 16 },
  ];
  const together: Shape = {
    runs: [64, 130, 64, 100, 127, 64].map((firstPosition, i) => ({ firstPosition, rows: 1 + ((i * 5) % 12) })),
    ...{ sharedBlocks: 1, heads: 4, headDim: 64 },
  };
  describeEachKernel(family, ({ name }) => {
    for (const [title, sizes] of Object.entries({ 'rows one at a time': [1], 'odd chunks': [7, 1, 13, 3, 31, 5] })) {
      it(`${title} have the bits of one call`, () => {
        for (const shape of trim(shapes)) {
          const args = argsOf(makeArgs(`pieces ${shape.heads}`, shape, ordinary));
          const whole = lab.run(name, args.kernel, 'end')['out']!;
          const { stride } = args.kernel;
          const all = rowsOfRuns(shape.runs);
          for (let from = 0, turn = 0; from < all; turn++) {
            const rows = Math.min(sizes[turn % sizes.length]!, all - from);
            const out = whole.subarray(from * stride, (from + rows) * stride);
            const piece = lab.run(name, rowsOf(args, 0, from, rows), 'odd');
            expectSameBits(piece, { out }, `${name}, rows ${from}..${from + rows - 1}`);
            from += rows;
          }
        }
      });
    }
    it('sequences with a common prefix have the bits of each alone', () => {
      const args = argsOf(makeArgs('together', together, ordinary));
      const { stride } = args.kernel;
      const whole = lab.run(name, args.kernel, 'odd')['out']!;
      for (const [i, { rows }] of together.runs.entries()) {
        const first = rowsOfRuns(together.runs.slice(0, i)) * stride;
        const alone = lab.run(name, rowsOf(args, i, 0, rows), 'end');
        expectSameBits(alone, { out: whole.subarray(first, first + rows * stride) }, `${name}, sequence ${i}`);
      }
    });
  });
});

describe('attention against double mathematics', () => {
  it('an average of the values, off by the errors of scores, exp and sums', () => {
    const worst = new WorstElement();
    for (const firstPosition of trim(positions)) {
      const shape = { runs: [{ firstPosition, rows: 1 }], heads: 2, headDim: 64 };
      const args = argsOf(makeArgs(`double ${firstPosition}`, shape, ordinary));
      const { q, scale } = args.kernel;
      const out = lab.run(scalarOf(family), args.kernel, 'end')['out']!;
      eachQuery(args, (at, plain, t) => {
        const [keys, values] = [plain.keys, plain.values].map((halves) => Float64Array.from(halves, fromF16)) as [Float64Array, Float64Array];
        const rows = [...Array(t + 1).keys()].map((j) => {
          const terms = [...Array(64).keys()].map((d) => q[at + d]! * scale * keys[j * 64 + d]!);
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
