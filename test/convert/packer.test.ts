// SPDX-License-Identifier: Apache-2.0
// The native rounding and packing against the plain ones, byte for byte.

import { expect } from 'chai';

import { loadAddon } from '../../lib/native/load-addon.js';
import * as reference from '../support/reference-pack.js';
import { encodeFloats, seeded } from '../support/tiny-checkpoint.js';

/** Values of very different size, with zeros and ties among them. */
function drawFloats(count: number, seed: number): number[] {
  const random = seeded(seed);
  return Array.from({ length: count }, () => {
    const kind = random();
    if (kind < 0.1) return 0;
    if (kind < 0.2) return Math.round(random() * 15 - 7.5) / 2;
    return (random() - 0.5) * 2 ** Math.round(random() * 24 - 16);
  });
}

describe('native rounding and packing', () => {
  for (const group of [32, 64, 128, 256]) {
    for (const dtype of ['F32', 'F16', 'BF16'] as const) {
      it(`equal the plain ones for ${dtype} and group ${group}`, () => {
        for (const n of [1, 15, 16, 17, 33]) {
          const k = group * (1 + (n % 3));
          const rows = encodeFloats(drawFloats(n * k, n + group), dtype);
          const expected = reference.quantizeRows(rows, dtype, n, k, group);
          const found = loadAddon().quantizeRows(rows, dtype, n, k, group);
          expect(Buffer.from(found.values).equals(expected.values), `values, ${n} rows`).to.equal(true);
          expect(Buffer.from(found.scales).equals(expected.scales), `scales, ${n} rows`).to.equal(true);
          const packed = loadAddon().packPanels(found.values, found.scales, n, k, group);
          const plain = reference.packPanels(expected.values, expected.scales, n, k, group);
          for (const part of ['q4', 'scales', 'sums'] as const) {
            expect(Buffer.from(packed[part]).equals(plain[part]), `${part}, ${n} rows`).to.equal(true);
          }
        }
      });
    }
  }

  it('refuse what is not finite and what overflows an f16 scale', () => {
    for (const [value, group] of [[NaN, 32], [-Infinity, 256], [1e6, 64]] as const) {
      const floats = Array.from({ length: 512 }, () => 0.5);
      floats[300] = value;
      const rows = encodeFloats(floats, 'F32');
      for (const packer of [reference, loadAddon()]) {
        expect(() => packer.quantizeRows(rows, 'F32', 2, 256, group)).to.throw().with.property('code', 'ERR_LLAMA_GUARD_NON_FINITE');
      }
    }
  });
});
