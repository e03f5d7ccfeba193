// SPDX-License-Identifier: Apache-2.0
// The worked example of docs/packing-format.md, taken from the page itself: what the code makes of its floats must be
// the bytes and the result that stand there.

import { expect } from 'chai';
import { readFileSync } from 'node:fs';

import { loadAddon } from '../../lib/native/load-addon.js';
import { quantizeRow } from '../reference/numbers.js';
import * as reference from '../support/reference-pack.js';
import { encodeFloats } from '../support/tiny-checkpoint.js';

const rows = 2;
const columns = 64;
const group = 32;

/** The code blocks below the heading, each as lines of words. */
function readExample(): string[][][] {
  const [, section = ''] = readFileSync('docs/packing-format.md', 'utf8').split('## Worked example');
  return [...section.matchAll(/```text\n(.*?)\n```/gs)].map(([, block = '']) => block.split('\n').map((line) => line.trim().split(/\s+/)));
}

const hex = (bytes: Uint8Array): string[] => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'));

describe('worked example of the packed format', () => {
  const [weights = [], scales = [], nibbles = [], steps = [], sums = [], activation = [], groupSums = [], result = []] = readExample();
  const floats = encodeFloats(weights.flat().map(Number), 'F32');

  for (const [who, packer] of [['plain code', () => reference], ['native code', loadAddon]] as const) {
    describe(`in ${who}`, () => {
      const rounded = () => packer().quantizeRows(floats, 'F32', rows, columns, group);
      const packed = () => packer().packPanels(rounded().values, rounded().scales, rows, columns, group);

      it('has these scales', () => {
        const expected = scales.flat().map((bits) => parseInt(bits, 16));
        expect(expected).to.have.length(4);
        expect(Array.from(new Uint16Array(rounded().scales.slice().buffer))).to.deep.equal(expected);
      });

      it('has these nibbles', () => {
        const { values } = rounded();
        const found = Array.from({ length: rows * columns }, (_, i) => reference.nibble(values, i).toString(16));
        expect(found.join('')).to.equal(nibbles.flat().join(''));
      });

      it('has these steps of 64 bytes', () => {
        expect(steps).to.have.length(columns / 8);
        const expected = steps.flatMap((step) => [...step.slice(0, 8), ...Array.from({ length: 56 }, () => '88')]);
        expect(steps.every((step) => step.slice(8).join(' ') === '88 x 56')).to.equal(true);
        expect(hex(packed().q4)).to.deep.equal(expected);
      });

      it('has scales and sums by group, then row of the panel', () => {
        const [g0, g1] = [0, 1].map((g) => scales.map((row) => parseInt(row[g]!, 16)));
        const padding = Array.from({ length: 14 }, () => 0);
        expect(Array.from(new Uint16Array(packed().scales.slice().buffer))).to.deep.equal([...g0!, ...padding, ...g1!, ...padding]);
        const [s0, s1] = sums.map((line) => line.map(Number));
        expect(Array.from(new Int16Array(packed().sums.slice().buffer))).to.deep.equal([...s0!, ...padding, ...s1!, ...padding]);
      });
    });
  }

  it('gives this result', () => {
    const x = Float64Array.from(activation.flat(), Number);
    const distances = new Float64Array(columns);
    const inverse = quantizeRow(x, distances);
    const { values, scales: stored } = reference.quantizeRows(floats, 'F32', rows, columns, group);
    const totals = Array.from({ length: rows }, (_, row) =>
      [0, 1].map((g) =>
        distances
          .subarray(g * group, (g + 1) * group)
          .reduce((sum, distance, i) => sum + distance * (reference.nibble(values, row * columns + g * group + i) - 8), 0),
      ),
    );
    expect(totals).to.deep.equal(groupSums.map((line) => line.map(Number)));
    const outputs = totals.map((line, row) => {
      const sum = line.reduce((acc, total, g) => Math.fround(total * reference.readScale(stored, group, row * 2 + g) + acc), 0);
      return Math.fround(sum * inverse);
    });
    expect(outputs).to.deep.equal(result.flat().map(Number));
  });
});
