// SPDX-License-Identifier: Apache-2.0
// From cycles of loops to cycles of a multiply-accumulate, and on to the times of a phone. Pure functions.

/** Llama Guard 3-1B-INT4. */
export const model = {
  weights: 597_688_320, // of the linear maps of 12 layers
  layers: 12,
  hidden: 2048,
  feedForward: 6400,
  queryHeads: 32,
  kvHeads: 8,
  headDim: 64,
  group: 256,
};

/** What is assumed of every phone; no part of it was measured. */
export const assumed = {
  reached: 0.8, // share of the loops' speed that is left after cache misses, and at the ends of rows and tasks
  rest: 0.1, // norms, quantizing, RoPE, exp of attention, waiting for other threads: share of the products' time
};

const stepInputs = 8;

/** Bytes that a token reads: nibbles, f32 scales, int16 sums; and f16 keys and values of the positions before it. */
export function bytesOfToken({ weights, group, layers, kvHeads, headDim }, keys) {
  return weights / 2 + (weights / group) * (4 + 2) + keys * layers * kvHeads * headDim * 2 * 2;
}

/**
 * Cycles of one multiply-accumulate: the inner loop as often as a group needs it, what stands between two groups once, and
 * unpacking, where that is a loop of its own, shared by all `rows`.
 */
export function cyclesOfAccumulate({ loop, around, unpackCycles }, tile, rows, group = model.group) {
  const perGroup = tile.rows * tile.outputs * group;
  const iterations = (perGroup - around.accumulates) / loop.accumulates;
  const panelOutputs = 16;
  return (iterations * loop.cycles + around.cycles) / perGroup + unpackCycles / (panelOutputs * stepInputs * rows);
}

/** Cycles of one multiply-accumulate in the inner loop alone, with its share of unpacking in a loop of its own. */
export function cyclesInLoop({ loop, unpackCycles }, rows) {
  return loop.cycles / loop.accumulates + unpackCycles / (16 * stepInputs * rows);
}

/** Cycles of one multiply-accumulate of the plain loop, with what unpacking 4 outputs' step takes at least, used by `rows`. */
export function cyclesOfPlain(plain, unpackBound, rows) {
  return plain.cycles / plain.accumulates + unpackBound / (4 * stepInputs * rows);
}

/** Operations a second of all cores together; `cycles` gives those of one operation on a core by name. */
export function rateOf(phone, cycles) {
  return phone.cores.reduce((sum, { core, count, ghz }) => sum + (count * ghz * 1e9) / cycles(core), 0);
}

/** Keys that `tokens` new positions behind `kept` ones see, summed: each sees those before it and itself. */
export function keysSeen(tokens, kept) {
  return tokens * kept + (tokens * (tokens + 1)) / 2;
}

/**
 * Seconds of one pass over `tokens` new positions behind `kept` ones. `cycles`: of one multiply-accumulate of products and of
 * attention, and of one value of silu, by core.
 */
export function passSeconds(phone, cycles, tokens, kept) {
  const { weights, layers, feedForward, queryHeads, headDim } = model;
  const compute = (operations, kind) => operations / (rateOf(phone, (core) => cycles[kind](core)) * assumed.reached);
  const reading = bytesOfToken(model, kept + tokens) / (phone.readGBs * 1e9);
  const arithmetic = compute(tokens * weights, 'products');
  const products = Math.max(arithmetic, reading);
  const attention = compute(keysSeen(tokens, kept) * 2 * headDim * queryHeads * layers, 'attention');
  const silu = compute(tokens * feedForward * layers, 'silu');
  const seconds = products * (1 + assumed.rest) + attention + silu;
  return { seconds, share: 1 - products / seconds, boundBy: reading > arithmetic ? 'memory' : 'arithmetic' };
}
