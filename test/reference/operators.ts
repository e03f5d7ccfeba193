// SPDX-License-Identifier: Apache-2.0
// The decoder's operators as a set that the decoder is given, and that set in double precision. Matrices are row-major.

import { matmul } from './matmul.js';

export interface RopeOptions {
  /** Values of one row, several heads. */
  readonly width: number;
  /** Position of the first row. */
  readonly position: number;
  readonly pairing: 'interleaved' | 'half';
  /** Angle per position of each pair of a head. */
  readonly frequencies: Float64Array;
}

export interface AttentionOptions {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Position of the first query. */
  readonly position: number;
  readonly keys: Float64Array; // [position][kvHeads][headDim]
  readonly values: Float64Array; // [position][kvHeads][headDim]
}

/** Rows that linear layers read: each row's values are `steps * inv`. */
export interface LinearInput {
  readonly steps: Float64Array; // [rows][k]
  readonly inv: Float64Array; // [rows]
}

/** What a decoder layer is made of. `rope` works in place, the others return a new array. */
export interface Operators {
  rmsNorm(x: Float64Array, weight: Float64Array, eps: number): Float64Array;
  rope(x: Float64Array, options: RopeOptions): void;
  attention(q: Float64Array, options: AttentionOptions): Float64Array;
  siluMul(gate: Float64Array, up: Float64Array): Float64Array;
  /** Rows of `input` times the transposed weights [n][k], whose scales hold for `group` inputs each. */
  linear(input: LinearInput, weights: Float64Array, group: number): Float64Array;
  residual(x: Float64Array, y: Float64Array): Float64Array;
}

/** Calls `turn` with the place of each pair of each head, and its position and index in the head. */
export function forEachPair(
  x: Float64Array,
  { width, position, pairing, frequencies }: RopeOptions,
  turn: (first: number, second: number, angle: number) => void,
): void {
  const half = frequencies.length;
  const [step, apart] = pairing === 'interleaved' ? [2, 1] : [1, half];
  for (let begin = 0; begin < x.length; begin += 2 * half) {
    const at = position + Math.floor(begin / width);
    for (let i = 0; i < half; i++) turn(begin + i * step, begin + i * step + apart, at * frequencies[i]!);
  }
}

/** Where a query's keys lie. */
export interface HeadView {
  readonly query: Float64Array; // [headDim]
  /** Keys that the query may see. */
  readonly count: number;
  /** Index of a head's first value at position j: j * stride + column. */
  readonly stride: number;
  readonly column: number;
}

/** Runs `attend` for each head of each query, which returns the head's output. */
export function forEachHead(
  q: Float64Array,
  { heads, kvHeads, headDim, position }: AttentionOptions,
  attend: (view: HeadView) => Float64Array,
): Float64Array {
  const out = new Float64Array(q.length);
  for (let begin = 0; begin < q.length; begin += headDim) {
    const row = Math.floor(begin / (heads * headDim));
    const head = (begin / headDim) % heads;
    const column = Math.floor((head * kvHeads) / heads) * headDim;
    const query = q.subarray(begin, begin + headDim);
    out.set(attend({ query, count: position + row + 1, stride: kvHeads * headDim, column }), begin);
  }
  return out;
}

/** Probabilities of `logits`. */
export function softmax(logits: Float64Array): Float64Array {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = logits.map((x) => Math.exp(x - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((x) => x / sum);
}

function rmsNorm(x: Float64Array, weight: Float64Array, eps: number): Float64Array {
  const d = weight.length;
  const y = new Float64Array(x.length);
  for (let begin = 0; begin < x.length; begin += d) {
    let squares = 0;
    for (let i = 0; i < d; i++) squares += x[begin + i]! ** 2;
    const r = 1 / Math.sqrt(squares / d + eps);
    for (let i = 0; i < d; i++) y[begin + i] = x[begin + i]! * r * weight[i]!;
  }
  return y;
}

function rope(x: Float64Array, options: RopeOptions): void {
  forEachPair(x, options, (first, second, angle) => {
    const a = x[first]!;
    const b = x[second]!;
    x[first] = a * Math.cos(angle) - b * Math.sin(angle);
    x[second] = b * Math.cos(angle) + a * Math.sin(angle);
  });
}

/** softmax(q k / sqrt(headDim)) v over the positions up to the query's own. */
function attention(q: Float64Array, options: AttentionOptions): Float64Array {
  const { keys, values, headDim } = options;
  return forEachHead(q, options, ({ query, count, stride, column }) => {
    const scores = new Float64Array(count);
    for (let j = 0; j < count; j++) {
      let dot = 0;
      for (let i = 0; i < headDim; i++) dot += query[i]! * keys[j * stride + column + i]!;
      scores[j] = dot / Math.sqrt(headDim);
    }
    const weights = softmax(scores);
    const out = new Float64Array(headDim);
    for (let j = 0; j < count; j++) {
      for (let i = 0; i < headDim; i++) out[i]! += weights[j]! * values[j * stride + column + i]!;
    }
    return out;
  });
}

export const doubleOperators: Operators = {
  rmsNorm,
  rope,
  attention,
  siluMul: (gate, up) => gate.map((g, i) => (g / (1 + Math.exp(-g))) * up[i]!),
  linear: ({ steps, inv }, weights) => {
    const out = matmul(steps, weights, steps.length / inv.length);
    const n = out.length / inv.length;
    return out.map((value, i) => value * inv[Math.floor(i / n)]!);
  },
  residual: (x, y) => x.map((value, i) => value + y[i]!),
};
