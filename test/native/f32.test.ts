// SPDX-License-Identifier: Apache-2.0
// The arithmetic that the kernel tests stand on: fma against exact integers, f16 over all its values, exp.

import { expect } from 'chai';

import { WorstElement, expectSameBits } from './compare.js';
import { exp, f, fma, fromF16 } from './f32.js';
import { lab } from './lab.js';
import { trim } from './families.js';
import { Random } from './random.js';

const view = new DataView(new ArrayBuffer(4));

function fromBits(bits: number): number {
  view.setUint32(0, bits);
  return view.getFloat32(0);
}

/** A finite f32 as an integer multiple of 2^-149. */
function scaled(value: number): bigint {
  view.setFloat32(0, value);
  const bits = view.getUint32(0);
  const exponent = (bits >>> 23) & 255;
  const fraction = BigInt(bits & 0x7fffff) + (exponent === 0 ? 0n : 0x800000n);
  const magnitude = fraction << BigInt(Math.max(exponent, 1) - 1);
  return bits >>> 31 ? -magnitude : magnitude;
}

/** a * b + c by integers, rounded once to 24 bits (or to a multiple of 2^-149), halves to even. */
function exactFma(a: number, b: number, c: number): number {
  const sum = scaled(a) * scaled(b) + (scaled(c) << 149n); // in units of 2^-298
  const magnitude = sum < 0n ? -sum : sum;
  const excess = Math.max(magnitude.toString(2).length - 24, 149);
  const unit = 1n << BigInt(excess);
  const rest = magnitude % unit;
  let whole = magnitude / unit;
  if (2n * rest > unit || (2n * rest === unit && whole % 2n === 1n)) whole += 1n;
  // At most 24 bits times a power of two: exact, but for an overflow to infinity.
  const rounded = f(Number(whole) * 2 ** (excess - 298));
  return sum < 0n ? -rounded : rounded;
}

describe('single precision in the tests', () => {
  it('fma rounds once where rounding to double first would be wrong', () => {
    const a = 1 + 2 ** -12; // a * a = 1 + 2^-11 + 2^-24: half way between two f32
    expect(fma(a, a, 0)).to.equal(1 + 2 ** -11);
    expect(fma(a, a, 2 ** -60)).to.equal(1 + 2 ** -11 + 2 ** -23);
    expect(f(a * a + 2 ** -60)).to.equal(1 + 2 ** -11);
    expect(fma(-a, a, -(2 ** -60))).to.equal(-(1 + 2 ** -11 + 2 ** -23));
  });

  it('fma equals exact integer arithmetic', () => {
    const random = new Random('fma');
    for (const i of trim([...Array(40000).keys()])) {
      const [a, b] = [fromBits(random.word()), fromBits(random.word())];
      // A third of the sums cancel, a third lie far apart.
      const c = [f(-a * b * random.real(0.99, 1.01)), f(a * b * 2 ** random.integer(-80, 80)), fromBits(random.word())][i % 3]!;
      if (![a, b, c].every(Number.isFinite)) continue;
      const expected = exactFma(a, b, c);
      if (fma(a, b, c) !== expected) throw new Error(`fma(${a}, ${b}, ${c}) is ${fma(a, b, c)}, expected ${expected}`);
    }
  });

  it('f16: every half widens to its value and comes back', () => {
    const halves = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const wide = lab.f32FromF16(halves);
    expectSameBits({ wide }, { wide: Float32Array.from(halves, fromF16) }, 'widen');
    const back = lab.f16FromF32(wide);
    const astray = [...halves].filter((half) => (Number.isNaN(wide[half]) ? !Number.isNaN(fromF16(back[half]!)) : back[half] !== half));
    expect(astray).to.deep.equal([]);
  });

  it('f16: floats round to the nearest half, ties to the even one', () => {
    const halves = trim([...Array(0x7c00).keys()]);
    const around = halves.flatMap((half) => {
      const [low, high] = [fromF16(half), half === 0x7bff ? 65536 : fromF16(half + 1)];
      const middle = (low + high) / 2;
      const step = 2 ** (Math.floor(Math.log2(middle)) - 23);
      return [middle - step, middle, middle + step, -middle];
    });
    const expected = halves.flatMap((half) => {
      const even = half + (half % 2);
      return [half, even, half + 1, 0x8000 + even];
    });
    expect([...lab.f16FromF32(Float32Array.from(around))]).to.deep.equal(expected);
  });

  it('exp is the definition and stays near the true exponential', () => {
    const random = new Random('exp');
    const corners = [0, -0, -87, 88, f(-87.00001), f(88.00001), 1e-45, -1e-45, Infinity, -Infinity, NaN, 1e30, -1e30];
    const x = Float32Array.from([...corners, ...random.reals(trim(Array<number>(200000).fill(0)).length, -90, 90)]);
    const y = lab.exp(x);
    expectSameBits({ y }, { y: x.map(exp) }, 'exp');
    // The truncated series is 6e-9 off; r carries at most 0.35 * 2^-24 and Horner's last two steps a unit each.
    const worst = new WorstElement();
    for (const [i, value] of x.entries()) {
      if (value >= -87 && value <= 88) worst.add(y[i]!, Math.exp(value), Math.exp(value) * 3 * 2 ** -24, `exp(${value})`);
    }
    console.log(`        exp: ${worst}`);
  });
});
