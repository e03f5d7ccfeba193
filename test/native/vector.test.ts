// SPDX-License-Identifier: Apache-2.0
// rms_norm, rope, silu_mul and softmax: the definition bit for bit, and plain double mathematics with a derived bound.

import { WorstElement } from './compare.js';
import { type KernelCase, describeFamily, scalarOf, trim } from './families.js';
import { exp, f, fma, sumLanes } from './f32.js';
import { type KernelArgs, type KernelOutputs, lab } from './lab.js';
import { Random } from './random.js';

const u = 2 ** -24; // relative error of one rounding
const lengths = [...Array(40).keys()].map((i) => 16 * (i + 1)).concat([1024, 2048, 6400]);
/** Row lengths that cut vectors of 4, 8 and 16 everywhere. */
const anyLengths = [...Array(67).keys()].map((i) => i + 1).concat([127, 257, 1000]);

function floats(args: KernelArgs, name: string): Float32Array {
  return args[name] as Float32Array;
}

function count(args: KernelArgs, name: string): number {
  return args[name] as number;
}

/** Floats of many magnitudes, signs and the special values. */
function wild(random: Random, length: number): Float32Array {
  const specials = [0, -0, 1e-45, -1e-39, 1e-30, -1e-30, 87, -87, 88, -88, 88.5, -103, 1e30, -1e30, 3e38, -3e38];
  return Float32Array.from({ length }, () => (random.word() % 3 === 0 ? random.pick(specials) : random.real(-9, 9)));
}

/** The same with one value that is not finite, at a place that moves with `at`. */
function poisoned(random: Random, length: number, at: number): Float32Array {
  const x = wild(random, length).map((value) => Math.max(-30, Math.min(30, value)));
  x[(at * 7) % length] = random.pick([NaN, Infinity, -Infinity]);
  return x;
}

function rmsNorm(args: KernelArgs): KernelOutputs {
  const add = args['adds'] ? floats(args, 'add') : undefined;
  const x = floats(args, 'x').map((value, i) => (add === undefined ? value : f(value + add[i]!)));
  const lanes = new Float32Array(16);
  for (const [i, value] of x.entries()) lanes[i % 16] = fma(value, value, lanes[i % 16]!);
  const mean = f(sumLanes(lanes) / x.length);
  const r = f(1 / f(Math.sqrt(f(mean + f(count(args, 'eps'))))));
  const y = floats(args, 'weight').map((weight, i) => f(f(x[i]! * r) * weight));
  return { x: args['inPlace'] ? y : x, y };
}

function rmsNormCase(kind: string, n: number, make: (random: Random) => Float32Array, adds = false): KernelCase {
  const label = `${kind}, n ${n}`;
  const args = () => {
    const random = new Random(label);
    const inPlace = n % 32 === 0 && !adds;
    return { n, eps: 1e-5, x: make(random), weight: random.reals(n, -2, 2), inPlace, ...(adds ? { adds, add: make(random) } : {}) };
  };
  return { label, args };
}

describeFamily('rms_norm', {
  oracle: rmsNorm,
  groups: {
    'every length': lengths.map((n) => rmsNormCase('ordinary', n, (random) => random.reals(n, -4, 4))),
    'every length, something added': lengths.map((n) => rmsNormCase('added', n, (random) => random.reals(n, -4, 4), true)),
    'special values, something added': lengths.slice(0, 12).map((n) => rmsNormCase('wild added', n, (random) => wild(random, n), true)),
    'zeros, tiny and huge values': [1e-30, 1e-20, 0, 1e15, 1e18, 3e19, 1e30].flatMap((size) =>
      [16, 48, 256].map((n) => rmsNormCase(`size ${size}`, n, (random) => random.reals(n, -size, size))),
    ),
    'special values': lengths.slice(0, 12).map((n) => rmsNormCase('wild', n, (random) => wild(random, n))),
    'values that are not finite': lengths.slice(0, 9).map((n, i) => rmsNormCase('poisoned', n, (random) => poisoned(random, n, i))),
  },
});

interface RopeShape {
  readonly heads: number;
  readonly headDim: number;
}

function rope(args: KernelArgs): KernelOutputs {
  const x = Float32Array.from(floats(args, 'x'));
  const headDim = count(args, 'headDim');
  const angle = (table: string, at: number) => floats(args, table)[at % headDim]!;
  for (let i = 0; i < x.length; i += 2) {
    const [a, b, cos, sin] = [x[i]!, x[i + 1]!, angle('cos', i), angle('sin', i + 1)];
    x[i] = fma(a, cos, -f(b * sin));
    x[i + 1] = fma(b, cos, f(a * sin));
  }
  return { x };
}

function ropeCase(kind: string, { heads, headDim }: RopeShape, make: (random: Random, length: number) => Float32Array): KernelCase {
  const label = `${kind}, ${heads} heads of ${headDim}`;
  const args = () => {
    const random = new Random(label);
    const angles = Array.from({ length: headDim / 2 }, () => random.real(0, 8192));
    const cos = Float32Array.from({ length: headDim }, (_, i) => Math.cos(angles[i >> 1]!));
    const sin = Float32Array.from({ length: headDim }, (_, i) => (i % 2 === 0 ? -1 : 1) * Math.sin(angles[i >> 1]!));
    return { heads, headDim, cos, sin, x: make(random, heads * headDim) };
  };
  return { label, args };
}

const ropeShapes = [1, 2, 3, 4, 5, 6, 7, 8, 40].flatMap((heads) =>
  [16, 32, 48, 64, 80, 128].map((headDim) => ({ heads, headDim })),
);

describeFamily('rope', {
  oracle: rope,
  groups: {
    'every shape': ropeShapes.map((shape) => ropeCase('ordinary', shape, (random, length) => random.reals(length, -4, 4))),
    'special values': ropeShapes.map((shape) => ropeCase('wild', shape, wild)),
  },
});

interface SiluShape {
  readonly rows: number;
  readonly n: number;
}

/** Output i is lane i % 16 of panel i / 16; a panel of gates and its panel of ups are neighbours. */
function siluParts(args: KernelArgs, row: number, i: number): { gate: number; up: number } {
  const at = row * count(args, 'gateUpStride') + Math.floor(i / 16) * 32 + (i % 16);
  return { gate: floats(args, 'gateUp')[at]!, up: floats(args, 'gateUp')[at + 16]! };
}

function siluMul(args: KernelArgs): KernelOutputs {
  const [rows, n, stride] = [count(args, 'rows'), count(args, 'n'), count(args, 'yStride')];
  const y = new Float32Array((rows - 1) * stride + n).fill(NaN);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < n; i++) {
      const { gate, up } = siluParts(args, row, i);
      y[row * stride + i] = f(f(gate / f(1 + exp(-gate))) * up);
    }
  }
  return { y };
}

function siluCase(kind: string, { rows, n }: SiluShape, make: (random: Random, length: number) => Float32Array): KernelCase {
  const label = `${kind}, ${rows} rows of ${n}`;
  const gap = 5 * (rows % 3);
  const strides = { gateUpStride: 2 * n + gap, yStride: n + gap };
  const length = (rows - 1) * strides.gateUpStride + 2 * n;
  return { label, args: () => ({ rows, n, ...strides, gateUp: make(new Random(label), length) }) };
}

const siluShapes = [1, 2, 3, 5].flatMap((rows) => [16, 32, 48, 80, 112, 256, 768].map((n) => ({ rows, n })));

describeFamily('silu_mul', {
  oracle: siluMul,
  groups: {
    'every shape': siluShapes.map((shape) => siluCase('ordinary', shape, (random, length) => random.reals(length, -9, 9))),
    'special values': siluShapes.map((shape) => siluCase('wild', shape, wild)),
    'values that are not finite': siluShapes.map((shape, i) => siluCase('poisoned', shape, (random, length) => poisoned(random, length, i))),
  },
});

function softmax(args: KernelArgs): KernelOutputs {
  const x = floats(args, 'x');
  const max = x.reduce((most, value) => (value > most ? value : most));
  const e = x.map((value) => exp(f(value - max)));
  const lanes = new Float32Array(16);
  for (const [i, value] of e.entries()) lanes[i % 16]! += value;
  const inverse = f(1 / sumLanes(lanes));
  return { y: e.map((value) => f(value * inverse)) };
}

function softmaxCase(kind: string, n: number, make: (random: Random) => Float32Array): KernelCase {
  const label = `${kind}, n ${n}`;
  return { label, args: () => ({ n, x: make(new Random(label)), inPlace: n % 2 === 0 }) };
}

describeFamily('softmax', {
  oracle: softmax,
  groups: {
    'every length': anyLengths.map((n) => softmaxCase('ordinary', n, (random) => random.reals(n, -20, 20))),
    'equal, rising and falling values': [1, 7, 16, 20, 33].flatMap((n) => [
      softmaxCase('equal', n, () => new Float32Array(n).fill(-3.25)),
      softmaxCase('rising', n, () => Float32Array.from({ length: n }, (_, i) => 30 * i)),
      softmaxCase('falling', n, () => Float32Array.from({ length: n }, (_, i) => -1e30 * i)),
    ]),
    'special values': anyLengths.map((n) => softmaxCase('wild', n, (random) => wild(random, n))),
    'values that are not finite': anyLengths.slice(0, 40).map((n, i) => softmaxCase('poisoned', n, (random) => poisoned(random, n, i))),
  },
});

describe('row kernels against double mathematics', () => {
  it('rms_norm: the sum of n/16 + 4 roundings counts half under the root, and there are five more', () => {
    const worst = new WorstElement();
    for (const n of trim(lengths)) {
      const args = rmsNormCase('double', n, (random) => random.reals(n, -4, 4)).args();
      const { y } = lab.run(scalarOf('rms_norm'), args, 'end');
      const x = floats(args, 'x');
      const r = 1 / Math.sqrt(x.reduce((sum, value) => sum + value ** 2, 0) / n + 1e-5);
      for (const [i, weight] of floats(args, 'weight').entries()) {
        const exact = x[i]! * r * weight;
        worst.add(y![i]!, exact, Math.abs(exact) * ((n / 16 + 4) / 2 + 5) * u, `n ${n}, [${i}]`);
      }
    }
    console.log(`        rms_norm: ${worst}`);
  });

  it('rope: one rounding of the product, one of the sum', () => {
    const worst = new WorstElement();
    for (const shape of trim(ropeShapes)) {
      const args = ropeCase('double', shape, (random, length) => random.reals(length, -4, 4)).args();
      const out = lab.run(scalarOf('rope'), args, 'end')['x']!;
      const [x, cos, sin] = [floats(args, 'x'), floats(args, 'cos'), floats(args, 'sin')];
      for (let i = 0; i < x.length; i++) {
        const at = i % shape.headDim;
        const [own, other] = [x[i]! * cos[at]!, x[i ^ 1]! * sin[at]!];
        worst.add(out[i]!, own + other, 2 * u * (Math.abs(own) + Math.abs(other)) * (1 + u), `${shape.heads}x${shape.headDim}, [${i}]`);
      }
    }
    console.log(`        rope: ${worst}`);
  });

  it('silu_mul: three units for exp, one each for sum, quotient and product', () => {
    const worst = new WorstElement();
    for (const shape of trim(siluShapes)) {
      const args = siluCase('double', shape, (random, length) => random.reals(length, -60, 60)).args();
      const y = lab.run(scalarOf('silu_mul'), args, 'end')['y']!;
      for (let row = 0; row < shape.rows; row++) {
        for (let i = 0; i < shape.n; i++) {
          const { gate, up } = siluParts(args, row, i);
          const exact = (gate / (1 + Math.exp(-gate))) * up;
          worst.add(y[row * count(args, 'yStride') + i]!, exact, Math.abs(exact) * 6.01 * u, `gate ${gate}, up ${up}`);
        }
      }
    }
    console.log(`        silu_mul: ${worst}`);
  });

  it('softmax: the rounding of x - max counts |x - max| times, the sum n/16 + 4', () => {
    const worst = new WorstElement();
    for (const n of trim(anyLengths)) {
      const args = softmaxCase('double', n, (random) => random.reals(n, -20, 20)).args();
      const y = lab.run(scalarOf('softmax'), args, 'end')['y']!;
      const x = floats(args, 'x');
      const max = Math.max(...x);
      const sum = x.reduce((total, value) => total + Math.exp(value - max), 0);
      for (const [i, value] of x.entries()) {
        const exact = Math.exp(value - max) / sum;
        // The numerator's error and the sum's, whose terms are each at most 40 below the maximum.
        const units = 2 * (3 + 40) + n / 16 + 4 + 3;
        worst.add(y[i]!, exact, exact * units * u, `n ${n}, [${i}]`);
      }
    }
    console.log(`        softmax: ${worst}`);
  });
});
