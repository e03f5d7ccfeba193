// SPDX-License-Identifier: Apache-2.0
// The operators in the single precision of docs/numerics.md: the same float operations in the same order, so that a
// decoder made of them must give the engine's bits. Values are f32 held in doubles; every step is rounded explicitly.

import { exp, f, fma, roundedSum, sumLanes } from '../native/f32.js';
import {
  type AttentionOptions,
  type LinearInput,
  type Operators,
  type RopeOptions,
  forEachHead,
  forEachPair,
} from './operators.js';

function rmsNorm(x: Float64Array, weight: Float64Array, eps: number): Float64Array {
  const d = weight.length;
  const y = new Float64Array(x.length);
  for (let begin = 0; begin < x.length; begin += d) {
    const lanes = new Float32Array(16);
    for (let i = 0; i < d; i++) lanes[i % 16] = fma(x[begin + i]!, x[begin + i]!, lanes[i % 16]!);
    const r = f(1 / f(Math.sqrt(f(f(sumLanes(lanes) / d) + f(eps)))));
    for (let i = 0; i < d; i++) y[begin + i] = f(f(x[begin + i]! * r) * weight[i]!);
  }
  return y;
}

function rope(x: Float64Array, options: RopeOptions): void {
  forEachPair(x, options, (first, second, angle) => {
    const a = x[first]!;
    const b = x[second]!;
    const cos = f(Math.cos(angle));
    const sin = f(Math.sin(angle));
    x[first] = fma(a, cos, -f(b * sin));
    x[second] = fma(b, cos, f(a * sin));
  });
}

const blockKeys = 64;

/** Online softmax over blocks of keys cut at absolute positions. */
function attention(q: Float64Array, options: AttentionOptions): Float64Array {
  const { keys, values, headDim } = options;
  const scale = f(1 / Math.sqrt(headDim));
  return forEachHead(q, options, ({ query, count, stride, column }) => {
    const scaled = query.map((x) => f(x * scale));
    const lanes = new Float32Array(16);
    const out = new Float64Array(headDim);
    let most = -3e38;
    for (let begin = 0; begin < count; begin += blockKeys) {
      const scores = new Float64Array(Math.min(blockKeys, count - begin));
      for (let j = 0; j < scores.length; j++) {
        const from = (begin + j) * stride + column;
        let dot = 0;
        for (let i = 0; i < headDim; i++) dot = fma(scaled[i]!, keys[from + i]!, dot);
        scores[j] = dot;
      }
      const before = most;
      most = scores.reduce((a, b) => Math.max(a, b), most);
      const shrink = exp(f(before - most));
      const powers = scores.map((score) => exp(f(score - most)));
      for (let lane = 0; lane < 16; lane++) lanes[lane] = f(lanes[lane]! * shrink);
      powers.forEach((p, j) => (lanes[j % 16] = f(lanes[j % 16]! + p)));
      for (let i = 0; i < headDim; i++) out[i] = f(out[i]! * shrink);
      for (let j = 0; j < powers.length; j++) {
        const from = (begin + j) * stride + column;
        for (let i = 0; i < headDim; i++) out[i] = fma(powers[j]!, values[from + i]!, out[i]!);
      }
    }
    const inverse = f(1 / sumLanes(lanes));
    return out.map((x) => f(x * inverse));
  });
}

/** A group's sum of steps * weights is exact in doubles: an integer below 2^18 times the group's scale. */
function linear({ steps, inv }: LinearInput, weights: Float64Array, group: number): Float64Array {
  const m = inv.length;
  const k = steps.length / m;
  const n = weights.length / k;
  const out = new Float64Array(m * n);
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < m; i++) {
      let sum = 0;
      for (let begin = 0; begin < k; begin += group) {
        sum = roundedSum(groupDot(steps, i * k + begin, weights, j * k + begin, group), sum);
      }
      out[i * n + j] = f(sum * inv[i]!);
    }
  }
  return out;
}

function groupDot(a: Float64Array, atA: number, b: Float64Array, atB: number, length: number): number {
  // Four exact partial sums: the order is free.
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (const end = atA + length; atA < end; atA += 4, atB += 4) {
    s0 += a[atA]! * b[atB]!;
    s1 += a[atA + 1]! * b[atB + 1]!;
    s2 += a[atA + 2]! * b[atB + 2]!;
    s3 += a[atA + 3]! * b[atB + 3]!;
  }
  return s0 + s1 + (s2 + s3);
}

export const singleOperators: Operators = {
  rmsNorm,
  rope,
  attention,
  siluMul: (gate, up) => gate.map((g, i) => f(f(g / f(1 + exp(-g))) * up[i]!)),
  linear,
  residual: (x, y) => x.map((value, i) => f(value + y[i]!)),
};
