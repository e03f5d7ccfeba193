// SPDX-License-Identifier: Apache-2.0
// Single-precision steps in JavaScript, where every number is a double. Math.fround after one +, -, *, / or sqrt is the
// correctly rounded f32 result, because a double has more than twice the bits; a fused multiply-add needs care.

export const f = Math.fround;

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer); // little endian: word 0 is the low one

/** f32 fused multiply-add: the product of two f32 is exact in double. */
export function fma(a: number, b: number, c: number): number {
  return roundedSum(a * b, c);
}

/**
 * The f32 nearest to the exact sum of two doubles. Rounding to double first only matters where it ends half way between
 * two f32 (or among subnormals): there the sum is rounded to odd (the neighbour whose last bit is 1 stands for "somewhere
 * between"), after which rounding to f32 is right.
 */
export function roundedSum(product: number, c: number): number {
  const sum = product + c;
  double[0] = sum;
  if ((words[0]! & 0x1fffffff) !== 0x10000000 && Math.abs(sum) >= 2 ** -126) return f(sum);
  const part = sum - product;
  const error = product - (sum - part) + (c - part);
  if (error === 0 || !Number.isFinite(sum)) return f(sum);
  if ((words[0]! & 1) === 0) {
    if (error > 0 === sum > 0) words[0]! += 1;
    else if (words[0]!-- === 0) words[1]! -= 1;
  }
  return f(double[0]);
}

/** Rounds to the nearest integer, halves to even; for magnitudes below 2^51. */
export function rne(x: number): number {
  return x + 6755399441055744 - 6755399441055744;
}

/** The value of f16 bits. */
export function fromF16(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction : fraction + 1024) * 2 ** (Math.max(exponent, 1) - 25);
}

/** The 16 partial results, combined by halves. */
export function sumLanes(lanes: Float32Array): number {
  const sums = Float32Array.from(lanes);
  for (let width = 8; width >= 1; width /= 2) {
    for (let j = 0; j < width; j++) sums[j] = sums[j]! + sums[j + width]!;
  }
  return sums[0]!;
}

const log2e = f(Math.LOG2E);
const taylor = [5040, 720, 120, 24, 6, 2, 1, 1].map((factorial) => f(1 / factorial));

export function exp(value: number): number {
  const x = value < -87 ? -87 : value > 88 ? 88 : value;
  const n = f(f(f(x * log2e) + 12582912) - 12582912);
  let r = fma(n, -0.693359375, x);
  r = fma(n, f(2.1219444e-4), r);
  const p = taylor.reduce((sum, coefficient) => fma(sum, r, coefficient));
  return f(p * 2 ** n);
}
