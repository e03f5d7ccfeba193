// SPDX-License-Identifier: Apache-2.0
// Number formats of the reference: f16 and bf16 bits, round-half-even, and the INT8 activation row.
// Written from docs/numerics.md and IEEE 754, not from native/: a mistake there must not repeat itself here.

const bits = new DataView(new ArrayBuffer(4));

/** The value of an f32 with these bits. */
function fromBits32(value: number): number {
  bits.setUint32(0, value);
  return bits.getFloat32(0);
}

/** The value of a bf16, which is the upper half of an f32. */
export function bf16ToNumber(half: number): number {
  return fromBits32(half * 65536);
}

/** The value of an f16. */
export function f16ToNumber(half: number): number {
  const sign = half >= 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Rounds to the nearest integer, halves to even. Exact below 2^51. */
export function roundHalfEven(x: number): number {
  const magic = 6755399441055744; // 1.5 * 2^52: the sum's unit in the last place is 1
  return x + magic - magic;
}

/** Rounds to the nearest f16, halves to even, overflow to infinity. */
export function roundToF16(x: number): number {
  const magnitude = Math.abs(x);
  if (!(magnitude < 65520)) return Number.isNaN(x) ? x : Math.sign(x) * Infinity;
  const exponent = Math.max(Math.floor(Math.log2(magnitude)), -14);
  // Math.log2 may be one off next to a power of two; the unit there is the same either way up, so correct it downwards.
  const unit = 2 ** ((2 ** exponent > magnitude ? Math.max(exponent - 1, -14) : exponent) - 10);
  return roundHalfEven(x / unit) * unit;
}

/**
 * INT8 asymmetric quantization of one row: writes `steps` = q - zero point and returns `inv`, so that the value is
 * `steps * inv`. Step by step in f32 as docs/numerics.md 'quantize_q8' has it: a difference of a step would be the largest source of deviation, so this part must not be "better" than the engine.
 */
export function quantizeRow(row: Float64Array, steps: Float64Array): number {
  const f = Math.fround;
  let rmin = 0;
  let rmax = 0;
  for (let i = 0; i < row.length; i++) {
    const x = f(row[i]!);
    if (x < rmin) rmin = x;
    if (x > rmax) rmax = x;
  }
  const range = f(rmax - rmin);
  const scale = range < 1e-36 ? 1 : f(255 / range);
  const dmin = f(rmin * scale);
  const dmax = f(rmax * scale);
  const zpf = f(f(-128 + dmin) + f(127 + dmax)) > 0 ? f(-128 - dmin) : f(127 - dmax);
  const zp = roundHalfEven(Math.min(Math.max(zpf, -128), 127));
  for (let i = 0; i < row.length; i++) {
    const scaled = f(f(row[i]!) * scale);
    steps[i] = roundHalfEven(Math.min(Math.max(scaled, -128 - zp), 127 - zp));
  }
  return f(1 / scale);
}

/**
 * INT4 rounding of a matrix's rows in place, in groups of `group` consecutive values (docs/packing-format.md): the
 * matrix that comes out holds the dequantized weights.
 */
export function roundToInt4(matrix: Float64Array, group: number): void {
  const f = Math.fround;
  for (let begin = 0; begin < matrix.length; begin += group) {
    const values = matrix.subarray(begin, begin + group);
    const amax = values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const exact = f(amax / 7.5);
    const scale = group >= 128 ? exact : roundToF16(exact);
    for (let i = 0; i < group; i++) {
      const level = scale === 0 ? 0 : roundHalfEven(f(values[i]! / scale));
      values[i] = Math.min(Math.max(level, -8), 7) * scale;
    }
  }
}
