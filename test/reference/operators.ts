// SPDX-License-Identifier: Apache-2.0
// The decoder's operators on rows of doubles: norm, rotary embedding, causal attention. Matrices are row-major.

/** Root-mean-square norm of each row of `weight.length` values. */
export function rmsNorm(x: Float64Array, weight: Float64Array, eps: number): Float64Array {
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

export interface RopeOptions {
  /** Values of one row, several heads. */
  readonly width: number;
  /** Position of the first row. */
  readonly position: number;
  readonly pairing: 'interleaved' | 'half';
  /** Angle per position of each pair of a head. */
  readonly frequencies: Float64Array;
}

/** Turns every pair of every head in place. */
export function rope(x: Float64Array, { width, position, pairing, frequencies }: RopeOptions): void {
  const half = frequencies.length;
  const [step, apart] = pairing === 'interleaved' ? [2, 1] : [1, half];
  for (let begin = 0; begin < x.length; begin += 2 * half) {
    const at = position + Math.floor(begin / width);
    for (let i = 0; i < half; i++) {
      const first = begin + i * step;
      const a = x[first]!;
      const b = x[first + apart]!;
      const cos = Math.cos(at * frequencies[i]!);
      const sin = Math.sin(at * frequencies[i]!);
      x[first] = a * cos - b * sin;
      x[first + apart] = b * cos + a * sin;
    }
  }
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

/** softmax(q k / sqrt(headDim)) v of every query [row][heads][headDim] over the positions up to its own. */
export function attention(q: Float64Array, options: AttentionOptions): Float64Array {
  const { heads, kvHeads, headDim, position, keys, values } = options;
  const out = new Float64Array(q.length);
  const stride = kvHeads * headDim;
  for (let begin = 0; begin < q.length; begin += headDim) {
    const row = Math.floor(begin / (heads * headDim));
    const head = (begin / headDim) % heads;
    const column = Math.floor((head * kvHeads) / heads) * headDim;
    const query = q.subarray(begin, begin + headDim);
    const weights = softmax(scores(query, keys, { stride, column, count: position + row + 1 }));
    for (let j = 0; j < weights.length; j++) {
      const from = j * stride + column;
      for (let i = 0; i < headDim; i++) out[begin + i]! += weights[j]! * values[from + i]!;
    }
  }
  return out;
}

function scores(
  query: Float64Array,
  keys: Float64Array,
  { stride, column, count }: { stride: number; column: number; count: number },
): Float64Array {
  const result = new Float64Array(count);
  for (let j = 0; j < count; j++) {
    let dot = 0;
    for (let i = 0; i < query.length; i++) dot += query[i]! * keys[j * stride + column + i]!;
    result[j] = dot / Math.sqrt(query.length);
  }
  return result;
}

/** Probabilities of `logits`. */
export function softmax(logits: Float64Array): Float64Array {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = logits.map((x) => Math.exp(x - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((x) => x / sum);
}
