// SPDX-License-Identifier: Apache-2.0
// quantize_q8: the definition bit for bit, and that what comes out stands for what went in.

import { expect } from 'chai';

import { WorstElement } from './compare.js';
import { type KernelCase, describeFamily, scalarOf, trim } from './families.js';
import { f, rne } from './f32.js';
import { type KernelArgs, type KernelOutputs, lab } from './lab.js';
import { Random } from './random.js';

const family = 'quantize_q8';

interface Parameters {
  readonly scale: number;
  readonly inv: number;
  readonly zeroPoint: number;
}

function clamp(x: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, x));
}

/** Undefined for a poisoned row. */
function parameters(x: Float32Array): Parameters | undefined {
  if (!x.every(Number.isFinite)) return undefined;
  const rmin = x.reduce((least, value) => Math.min(least, value), 0);
  const rmax = x.reduce((most, value) => Math.max(most, value), 0);
  const range = f(rmax - rmin);
  if (range === Infinity) return undefined;
  const scale = range < f(1e-36) ? 1 : f(255 / range);
  const [dmin, dmax] = [f(rmin * scale), f(rmax * scale)];
  const nearMin = f(f(-128 + dmin) + f(127 + dmax)) > 0;
  const zeroPoint = rne(clamp(nearMin ? f(-128 - dmin) : f(127 - dmax), -128, 127));
  return { scale, inv: f(1 / scale), zeroPoint };
}

function oracle(args: KernelArgs): KernelOutputs {
  const x = args['x'] as Float32Array;
  const group = args['group'] as number;
  const found = parameters(x);
  const { scale, inv, zeroPoint } = found ?? { scale: 0, inv: NaN, zeroPoint: 0 };
  const value = (real: number) => rne(clamp(f(real * scale), -128 - zeroPoint, 127 - zeroPoint)) + zeroPoint;
  const q = found === undefined ? new Int8Array(x.length) : Int8Array.from(x, value);
  const corr = Int32Array.from({ length: x.length / group }, (_, g) => {
    const sum = q.subarray(g * group, (g + 1) * group).reduce((total, one) => total + one, 0);
    return (sum << 16) | (-zeroPoint & 0xffff);
  });
  return { q, corr, inv: Float32Array.of(inv) };
}

type Make = (random: Random, k: number) => Float32Array;

function oneCase(kind: string, k: number, group: number, make: Make): KernelCase {
  const label = `${kind}, k ${k}, group ${group}`;
  return { label, args: () => ({ k, group, x: make(new Random(label), k) }) };
}

const groups = [32, 64, 128, 256];

/** The same row at one and at three groups of each size. */
function everyGroup(kind: string, make: Make): KernelCase[] {
  return groups.flatMap((group) => [1, 3].map((multiple) => oneCase(kind, multiple * group, group, make)));
}

function between(low: number, high: number): Make {
  return (random, k) => random.reals(k, low, high);
}

function constant(value: number): Make {
  return (_, k) => new Float32Array(k).fill(value);
}

/** Ordinary values with `special` at one place. */
function withOne(special: number, place: number): Make {
  return (random, k) => {
    const x = random.reals(k, -2, 3);
    x[Math.floor(place * (k - 1))] = special;
    return x;
  };
}

/** With range 255 the scale is 1, and every value lies half way between two steps. */
function ties(shift: number): Make {
  return (random, k) => {
    const x = Float32Array.from({ length: k }, () => random.integer(-shift, 254 - shift) + 0.5);
    x[0] = -shift;
    x[k - 1] = 255 - shift;
    return x;
  };
}

const lengths = groups.flatMap((group) => [1, 2, 3, 5, 8, 25].map((multiple) => ({ k: multiple * group, group })));

describeFamily(family, {
  oracle,
  groups: {
    'every group and length': lengths.flatMap(({ k, group }) => [
      oneCase('balanced', k, group, between(-3, 3)),
      oneCase('lopsided', k, group, between(-0.01, 5)),
    ]),
    'rows of one sign, and rows of one value': [
      ...everyGroup('negative', between(-7, -0.5)),
      ...everyGroup('positive', between(0.5, 7)),
      ...[2.5, -2.5, 0, -0, 1e-38, -1e-45].flatMap((value) => everyGroup(`all ${value}`, constant(value))),
    ],
    'tiny, subnormal and huge ranges': [1e-30, 9e-37, 1.1e-36, 1e-37, 1e-40, 1e-44, 1e30, 1.6e38].flatMap((size) =>
      everyGroup(`range ${size}`, between(-size, size)),
    ),
    'values half way between two steps': [0, 1, 100, 127, 128, 254, 255].flatMap((shift) => everyGroup(`ties ${shift}`, ties(shift))),
    'rows that are poisoned': [NaN, Infinity, -Infinity].flatMap((special) =>
      [0, 0.4, 1].flatMap((place) => everyGroup(`${special} at ${place}`, withOne(special, place))),
    ),
    'a range that overflows': everyGroup('overflow', (random, k) => random.reals(k, -3.4e38, 3.4e38).fill(-3.4e38, 0, 1).fill(3.4e38, 1, 2)),
  },
});

describe('quantize_q8 against double mathematics', () => {
  it('every value comes back within a step, zero exactly', () => {
    const worst = new WorstElement();
    for (const { k, group } of trim(lengths)) {
      for (const [low, high] of [[-3, 3], [-0.01, 5], [-9, 0.3]] as const) {
        const x = new Random(`double ${k} ${low}`).reals(k, low, high);
        x[1] = 0;
        const { q, corr, inv } = lab.run(scalarOf(family), { k, group, x }, 'end');
        const zeroPoint = -((corr![0]! << 16) >> 16);
        expect(q![1]).to.equal(zeroPoint);
        for (const [i, value] of x.entries()) {
          // Half a step of rounding, and half a step where rounding the zero point moved an end of the range.
          worst.add((q![i]! - zeroPoint) * inv![0]!, value, 1.001 * inv![0]!, `k ${k}, ${low}..${high}, [${i}]`);
        }
      }
    }
    console.log(`        quantize_q8: ${worst}`);
  });

  it('a poisoned row has no scale and no values', () => {
    const out = lab.run(scalarOf(family), { k: 32, group: 32, x: withOne(NaN, 0.5)(new Random('poison'), 32) }, 'end');
    expect(out['inv']![0]).to.be.NaN;
    expect([...out['q']!]).to.deep.equal(Array(32).fill(0));
    expect([...out['corr']!]).to.deep.equal([0]);
  });
});
