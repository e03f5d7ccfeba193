// SPDX-License-Identifier: Apache-2.0
// What the kernel benchmark measures: shapes of Llama Guard 3-1B-INT4 (hidden 2048, feed-forward 6400, heads of 64, four
// query heads for a kv head, groups of 256) with operands for each, and how much work and memory they stand for.

import { type KernelArgs, lab } from '../test/native/lab.js';
import { Random } from '../test/native/random.js';
import type { Work } from './limits.js';

/** `operations` are those of the definition: a kernel's padding, unpacking and conversions do not count. */
export interface BenchShape extends Work {
  readonly family: string;
  readonly label: string;
  /** Rows, by which the engine would choose a kernel. */
  readonly rows: number;
  readonly args: () => KernelArgs;
}

const k = 2048;
const group = 256;

/** Random bytes, made of one block that repeats: making them must not take longer than measuring. */
function noise(label: string, bytes: number): Uint8Array<ArrayBuffer> {
  const random = new Random(label);
  const block = Uint8Array.from({ length: Math.min(bytes, 1 << 16) }, () => random.word());
  const all = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += block.length) all.set(block.subarray(0, bytes - at), at);
  return all;
}

/** Per group the pair (5, sum of q), as if every row's zero point were -5. */
function corrections(q: Int8Array): Int32Array {
  return Int32Array.from({ length: q.length / group }, (_, index) => {
    const sum = q.subarray(index * group, (index + 1) * group).reduce((total, value) => total + value, 0);
    return (sum << 16) | 5;
  });
}

function matmul(label: string, m: number, n: number): BenchShape {
  const [panels, groups] = [n / 16, k / group];
  const weightBytes = (n * k) / 2 + n * groups * (4 + 2);
  const args = (): KernelArgs => {
    const random = new Random(label);
    const q = new Int8Array(noise(`${label} q`, m * k).buffer);
    const values = noise(`${label} values`, (n * k) / 2);
    const scales = new Uint8Array(new Float32Array(n * groups).fill(0.01).buffer);
    return {
      m, k, group, panels, firstPanel: 0, panelCount: panels, qStride: k, corrStride: groups, cStride: n,
      q, corr: corrections(q), inv: random.reals(m, 0.01, 0.02), ...lab.packPanels({ n, k, group, values, scales }),
    };
  };
  const bytes = weightBytes + m * k + m * n * 4;
  const work = { type: 'int8', operations: 2 * m * n * k, bytes } as const;
  return { ...work, family: 'q4q8_matmul', label: `${label}: ${m} x ${n} x ${k}`, rows: m, args };
}

function attention(rows: number, firstPosition: number): BenchShape {
  const [heads, headDim] = [4, 64];
  const blocks = Math.ceil((firstPosition + rows) / 64);
  const seen = rows * firstPosition + (rows * (rows + 1)) / 2;
  const label = `${rows} rows at position ${firstPosition}, ${heads} heads of ${headDim}`;
  const args = (): KernelArgs => {
    const random = new Random(label);
    const halves = Uint16Array.from({ length: blocks * 2 * 64 * headDim }, () => random.integer(0x2c00, 0x3c00));
    const stride = heads * headDim;
    const shape = { heads, headDim, stride, scale: 1 / 8, sharedBlocks: 0, blockOffset: 0 };
    const run = { rows: Int32Array.of(rows), firstPositions: Int32Array.of(firstPosition) };
    return { ...shape, ...run, q: random.reals(rows * stride, -1, 1), blocks: halves };
  };
  const bytes = 2 * 2 * (firstPosition + rows) * headDim + 2 * 4 * rows * heads * headDim;
  return { type: 'f32', operations: 4 * seen * heads * headDim, bytes, family: 'attention', label, rows, args };
}

/** Operations that each value of a family takes; exp is 24 of them. */
const operationsPerValue = { kv_store: 1, quantize_q8: 4, rms_norm: 5, rope: 3, silu_mul: 28, softmax: 28 } as const;

/** One row of `values` values, and `touched` floats read and written. */
function floats(
  family: keyof typeof operationsPerValue,
  { label, values, touched }: { readonly label: string; readonly values: number; readonly touched: number },
  args: (random: Random) => KernelArgs,
): BenchShape {
  const work = { type: 'f32', operations: operationsPerValue[family] * values, bytes: 4 * touched } as const;
  return { ...work, family, label, rows: 1, args: () => args(new Random(label)) };
}

export const shapes: readonly BenchShape[] = [
  // 52 MB of weights: more than most caches hold, as in a decoding step.
  ...[1, 2, 4].map((m) => matmul('weights from memory', m, 51200)),
  // The fused query, key and value projection.
  ...[1, 8, 16, 64, 256].map((m) => matmul('wqkv', m, 3072)),
  attention(1, 256),
  attention(64, 0),
  attention(64, 192),
  floats('quantize_q8', { label: `k ${k}`, values: k, touched: (k * 5) / 4 }, (random) => ({ k, group, x: random.reals(k, -1, 1) })),
  floats('rms_norm', { label: `n ${k}, added`, values: k, touched: 5 * k }, (random) => {
    return { n: k, eps: 1e-5, x: random.reals(k, -1, 1), adds: true, add: random.reals(k, -1, 1), weight: random.reals(k, 0, 1) };
  }),
  floats('kv_store', { label: '32 rows of 64', values: 2 * 32 * 64, touched: 1.5 * 2 * 32 * 64 }, (random) => {
    const block = new Uint16Array(2 * 64 * 64);
    return { rows: 32, headDim: 64, stride: 3072, slot: 0, keys: random.reals(31 * 3072 + 64, -1, 1), values: random.reals(31 * 3072 + 64, -1, 1), block };
  }),
  floats('rope', { label: '32 heads of 64', values: 2048, touched: 2 * 2048 }, (random) => {
    return { heads: 32, headDim: 64, x: random.reals(2048, -1, 1), cos: random.reals(64, 0, 0.7), sin: random.reals(64, 0, 0.7) };
  }),
  floats('silu_mul', { label: 'n 6400', values: 6400, touched: 3 * 6400 }, (random) => {
    return { rows: 1, n: 6400, gateUpStride: 12800, yStride: 6400, gateUp: random.reals(12800, -4, 4) };
  }),
  floats('softmax', { label: 'n 32', values: 32, touched: 2 * 32 }, (random) => ({ n: 32, x: random.reals(32, -4, 4) })),
];
