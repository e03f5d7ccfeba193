// SPDX-License-Identifier: Apache-2.0
// RoPE frequencies against figures that are known from Llama 3.2's published tables.

import { expect } from 'chai';

import { interleavedRow } from '../../lib/convert/matrix.js';
import { ropeFrequencies } from '../../lib/convert/rope.js';

const scaling = (factor: number) => ({ factor, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 });

describe('RoPE at conversion', () => {
  it('has the slowest frequency of the published tables, scaled by 32, by 8 and not at all', () => {
    // sin(angle) of position 1 and the last pair, to the four digits that are known.
    for (const [rope, sine] of [[scaling(32), 9.418e-8], [scaling(8), 3.767e-7], [undefined, 3.014e-6]] as const) {
      const frequencies = ropeFrequencies(64, { theta: 500000, scaling: rope });
      expect(frequencies).to.have.length(32);
      expect(Math.sin(frequencies[31]!)).to.be.closeTo(sine, sine * 2e-4);
    }
  });

  it('keeps short waves, stretches long ones, and never lets a slower pair overtake', () => {
    const plain = ropeFrequencies(64, { theta: 500000, scaling: undefined });
    const scaled = ropeFrequencies(64, { theta: 500000, scaling: scaling(32) });
    scaled.forEach((frequency, pair) => {
      const wavelength = (2 * Math.PI) / plain[pair]!;
      if (wavelength < 2048) expect(frequency, `pair ${pair}`).to.equal(plain[pair]);
      else if (wavelength > 8192) expect(frequency, `pair ${pair}`).to.equal(Math.fround(plain[pair]! / 32));
      else expect(frequency / plain[pair]!, `pair ${pair}`).to.be.within(1 / 32, 1);
      if (pair > 0) expect(frequency).to.be.below(scaled[pair - 1]!);
    });
    expect(scaled[0]).to.equal(1);
  });

  it('moves rows so that a rotation of neighbours is the rotation of halves', () => {
    // Rotating (i, i + 3) of the source and (2i, 2i + 1) of the result must be the same, so rows go 0 3 1 4 2 5.
    expect(Array.from({ length: 12 }, (_, row) => interleavedRow(row, 6))).to.deep.equal([0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
  });
});
