// SPDX-License-Identifier: Apache-2.0
// Element types of weights: widening to f32 (always exact), narrowing to f16, and the search for a value that is no number.

import type { WeightDType } from '../formats/hf-checkpoint.js';

/** Bytes of one element. */
export const weightBytes: Readonly<Record<WeightDType, number>> = { F32: 4, F16: 2, BF16: 2 };

/** Elements of little-endian bytes as f32. */
export function widen(bytes: Uint8Array, dtype: WeightDType): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Float32Array(bytes.length / weightBytes[dtype]);
  if (dtype === 'F32') {
    for (let i = 0; i < out.length; i++) out[i] = view.getFloat32(4 * i, true);
    return out;
  }
  const bits = new Uint32Array(out.buffer);
  for (let i = 0; i < out.length; i++) {
    const half = view.getUint16(2 * i, true);
    if (dtype === 'BF16') bits[i] = half << 16;
    else out[i] = decodeF16(half);
  }
  return out;
}

/** Index of the first element that is infinite or no number; -1 where all are finite. */
export function findNonFinite(values: Float32Array): number {
  return values.findIndex((value) => !Number.isFinite(value));
}

/** f32 values as little-endian bytes. */
export function f32Bytes(values: Float32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => view.setFloat32(4 * i, value, true));
  return new Uint8Array(view.buffer);
}

function decodeF16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Infinity;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** f16 bits of a number from 2^-14 to 65504, rounded to nearest even. */
export function encodeNormalF16(value: number): number {
  let exponent = Math.floor(Math.log2(value));
  const scaled = value * 2 ** (10 - exponent);
  let fraction = Math.round(scaled);
  if (fraction - scaled === 0.5 && fraction % 2 === 1) fraction--;
  if (fraction === 2048) {
    fraction = 1024;
    exponent++;
  }
  return ((exponent + 15) << 10) | (fraction - 1024);
}
