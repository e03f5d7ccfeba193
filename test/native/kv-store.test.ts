// SPDX-License-Identifier: Apache-2.0
// kv_store: each key and value in its place, rounded to the nearest half; what lies around stays as it was.

import { type KernelCase, describeFamily } from './families.js';
import { type KernelArgs, type KernelOutputs, lab } from './lab.js';
import { Random } from './random.js';

const slots = 64;

interface Shape {
  readonly rows: number;
  readonly headDim: number;
  readonly slot: number;
  /** Elements between the rows that belong to others. */
  readonly gap: number;
}

function oracle(args: KernelArgs): KernelOutputs {
  const [rows, headDim, stride, slot] = ['rows', 'headDim', 'stride', 'slot'].map((name) => args[name] as number) as [number, number, number, number];
  // f32.test.ts has the rounding, over all halves and the floats between them.
  const [keys, values] = ['keys', 'values'].map((name) => lab.f16FromF32(args[name] as Float32Array)) as [Uint16Array, Uint16Array];
  const block = Uint16Array.from(args['block'] as Uint16Array);
  for (let row = 0; row < rows; row++) {
    for (let d = 0; d < headDim; d++) {
      block[d * slots + slot + row] = keys[row * stride + d]!;
      block[slots * headDim + (slot + row) * headDim + d] = values[row * stride + d]!;
    }
  }
  return { block };
}

type Draw = (random: Random) => number;

function oneCase(kind: string, { rows, headDim, slot, gap }: Shape, draw: Draw): KernelCase {
  const label = `${kind}, ${rows} rows of ${headDim} from slot ${slot}, gap ${gap}`;
  const args = () => {
    const random = new Random(label);
    const stride = headDim + gap;
    const floats = () => Float32Array.from({ length: (rows - 1) * stride + headDim }, () => draw(random));
    const block = Uint16Array.from({ length: 2 * slots * headDim }, () => random.integer(0, 0xffff));
    return { rows, headDim, stride, slot, keys: floats(), values: floats(), block };
  };
  return { label, args };
}

const ordinary: Draw = (random) => random.real(-8, 8);
/** Halves between two, subnormal, too large, and not finite. */
const special: Draw = (random) => random.pick([0, -0, 1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 ** -24, -(2 ** -25), 3 * 2 ** -26, 1e-30, 65504, 65519, 65520, -1e9, Infinity, -Infinity, NaN]);

const rowCounts = [...Array(26).keys()].map((i) => i + 1).concat([31, 32, 33, 63, 64]);

describeFamily('kv_store', {
  oracle,
  groups: {
    'every number of rows': rowCounts.map((rows) => oneCase('rows', { rows, headDim: 32, slot: (rows * 7) % (slots + 1 - rows), gap: rows % 3 }, ordinary)),
    'every slot': [...Array(slots).keys()].map((slot) => oneCase('slot', { rows: Math.min(9, slots - slot), headDim: 16, slot, gap: 0 }, ordinary)),
    'every head dimension': [16, 32, 48, 64, 80, 128, 256].map((headDim) => oneCase('dimensions', { rows: 11, headDim, slot: 5, gap: 3072 - headDim }, ordinary)),
    'special values': [1, 8, 17].flatMap((rows) => [16, 64].map((headDim) => oneCase('special', { rows, headDim, slot: 3, gap: 1 }, special))),
  },
});
