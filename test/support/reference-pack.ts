// SPDX-License-Identifier: Apache-2.0
// INT4 rounding and panel16 packing in plain JavaScript, written from docs/packing-format.md alone: the oracle that the
// native functions of the same names are compared with. Slow and obvious on purpose.

import { bf16ToNumber, f16ToNumber, roundHalfEven } from '../reference/numbers.js';

type FloatType = 'F32' | 'F16' | 'BF16';

/** The f16 nearest to a number, ties to even, by comparing with the two neighbours of a bisection. */
export function numberToHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  // 65520 lies half way between the largest f16 and what would come next; from there on it is infinity.
  if (magnitude >= 65520) return sign | 0x7c00;
  let low = 0;
  let high = 0x7c00;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (f16ToNumber(middle) <= magnitude) low = middle;
    else high = middle;
  }
  const upper = high === 0x7c00 ? 65536 : f16ToNumber(high);
  const below = magnitude - f16ToNumber(low);
  const above = upper - magnitude;
  if (below < above || (below === above && low % 2 === 0)) return sign | low;
  return sign | high;
}

/** Element `index` of little-endian floats. */
export function readFloat(bytes: Uint8Array, dtype: FloatType, index: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (dtype === 'F32') return view.getFloat32(4 * index, true);
  const half = view.getUint16(2 * index, true);
  return dtype === 'F16' ? f16ToNumber(half) : bf16ToNumber(half);
}

export function scaleBytes(group: number): number {
  return group >= 128 ? 4 : 2;
}

/** Scale number `index` of stored scales. */
export function readScale(scales: Uint8Array, group: number, index: number): number {
  return readFloat(scales, group >= 128 ? 'F32' : 'F16', index);
}

function storeScale(view: DataView, group: number, index: number, value: number): number {
  if (group >= 128) {
    view.setFloat32(4 * index, value, true);
    return Math.fround(value);
  }
  const bits = numberToHalf(value);
  view.setUint16(2 * index, bits, true);
  return f16ToNumber(bits);
}

export function quantizeRows(
  rows: Uint8Array,
  dtype: FloatType,
  n: number,
  k: number,
  group: number,
): { values: Uint8Array; scales: Uint8Array } {
  const values = new Uint8Array((n * k) / 2);
  const scales = new Uint8Array(((n * k) / group) * scaleBytes(group));
  const scaleView = new DataView(scales.buffer);
  for (let first = 0; first < n * k; first += group) {
    const x = Array.from({ length: group }, (_, i) => readFloat(rows, dtype, first + i));
    const bad = x.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw nonFinite(Math.floor(first / k), (first % k) + bad);
    const largest = x.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    const scale = storeScale(scaleView, group, first / group, Math.fround(largest / 7.5));
    if (!Number.isFinite(scale)) throw nonFinite(Math.floor(first / k), first % k);
    x.forEach((value, i) => {
      const w = scale === 0 ? 0 : Math.min(7, Math.max(-8, roundHalfEven(Math.fround(value / scale))));
      const at = first + i;
      values[at >> 1] = (values[at >> 1] ?? 0) | ((w + 8) << (at % 2 === 0 ? 0 : 4));
    });
  }
  return { values, scales };
}

export function packPanels(
  values: Uint8Array,
  scales: Uint8Array,
  n: number,
  k: number,
  group: number,
): { q4: Uint8Array; scales: Uint8Array; sums: Uint8Array } {
  const panels = Math.ceil(n / 16);
  const groups = k / group;
  const bytes = scaleBytes(group);
  const q4 = new Uint8Array((panels * 16 * k) / 2);
  const outScales = new Uint8Array(panels * 16 * groups * bytes);
  const sums = new DataView(new ArrayBuffer(panels * 16 * groups * 2));
  for (let row = 0; row < panels * 16; row++) {
    const panel = Math.floor(row / 16);
    const c = row % 16;
    for (let g = 0; g < groups; g++) {
      const to = (panel * groups + g) * 16 + c;
      const from = row * groups + g;
      if (row < n) outScales.set(scales.subarray(from * bytes, (from + 1) * bytes), to * bytes);
      let sum = 0;
      for (let i = g * group; i < (g + 1) * group; i++) {
        const u = row < n ? nibble(values, row * k + i) : 8;
        sum += u - 8;
        const at = panel * 8 * k + Math.floor(i / 8) * 64 + 4 * c + (i % 4);
        q4[at] = (q4[at] ?? 0) | (u << (i % 8 < 4 ? 0 : 4));
      }
      sums.setInt16(2 * to, sum, true);
    }
  }
  return { q4, scales: outScales, sums: new Uint8Array(sums.buffer) };
}

/** Nibble number `index` of values as `quantizeRows` gives them. */
export function nibble(values: Uint8Array, index: number): number {
  const byte = values[index >> 1] ?? 0;
  return index % 2 === 0 ? byte & 15 : byte >> 4;
}

function nonFinite(row: number, column: number): Error {
  return Object.assign(new Error(`a value in row ${row}, column ${column} is not finite`), {
    code: 'ERR_LLAMA_GUARD_NON_FINITE',
  });
}
