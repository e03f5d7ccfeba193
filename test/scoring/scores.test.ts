// SPDX-License-Identifier: Apache-2.0
// The worked example of docs/scores.md, with figures computed by hand.

import { expect } from 'chai';
import { ScoreSheet } from '../../lib/scoring/scores.js';

describe('ScoreSheet', () => {
  it('adds up the worked example', () => {
    const sheet = new ScoreSheet(0.8, ['S1', 'S2', 'S9']);
    sheet.enter(new Map([['S1', 0.1], ['S2', 0.2], ['S9', 0.7]]), 'S9');
    sheet.goOn(0.6);
    sheet.enter(new Map([['S1', 0.25], ['S2', 0.75]]), 'S2');
    const scores = sheet.scores();
    expect(scores['S9']).to.be.closeTo(0.56, 1e-12);
    expect(scores['S2']).to.be.closeTo(0.412, 1e-12);
    expect(scores['S1']).to.be.closeTo(0.164, 1e-12);
  });

  it('keeps every score at or below P(unsafe), whatever rounding adds', () => {
    const sheet = new ScoreSheet(0.3, ['S1']);
    sheet.enter(new Map([['S1', 1.0000001]]), 'S1');
    expect(sheet.scores()).to.deep.equal({ S1: 0.3 });
  });

  it('gives zero to a category that never stood to choice', () => {
    expect(new ScoreSheet(0.3, ['S1']).scores()).to.deep.equal({ S1: 0 });
  });
});
