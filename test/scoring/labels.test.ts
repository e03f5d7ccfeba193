// SPDX-License-Identifier: Apache-2.0
// The words of a head: found, numbered, refused.

import { expect } from 'chai';
import { LabelSet } from '../../lib/scoring/labels.js';
import { labelsOf, labelTexts } from './simulated-model.js';

describe('LabelSet', () => {
  it('finds the row of each word and the id of each row', () => {
    const labels = new LabelSet(labelsOf(labelTexts));
    expect(labels).to.deep.include({ size: 20, safe: 0, unsafe: 1, newline: 2, doubleNewline: 3, s: 4, separator: [5], endOfTurn: 19 });
    expect(labels.texts).to.deep.equal(labelTexts);
    expect([labels.numbers.get('S1'), labels.numbers.get('S13'), labels.numbers.get('S14')]).to.deep.equal([6, 18, undefined]);
    expect([labels.idOf(0), labels.idOf(19), labels.rowOf(1133), labels.rowOf(1)]).to.deep.equal([1000, 1133, 19, undefined]);
    expect(() => labels.idOf(20)).to.throw().with.property('code', 'ERR_LLAMA_GUARD_INTERNAL');
  });

  it('lists codes in the order of their numbers, whatever the order of the rows', () => {
    const labels = new LabelSet(labelsOf([...labelTexts].reverse()));
    expect(labels.codes).to.deep.equal(Array.from({ length: 13 }, (_, index) => `S${index + 1}`));
    expect(labels.numbers.get('S13')).to.equal(1);
  });

  it('does without "\\n\\n", with "," for ",S", with <|end_of_text|> for <|eot_id|>', () => {
    const texts = labelTexts
      .filter((text) => text !== '\n\n')
      .map((text) => ({ ',S': ',', '<|eot_id|>': '<|end_of_text|>' })[text] ?? text);
    expect(new LabelSet(labelsOf(texts))).to.deep.include({ doubleNewline: undefined, s: 3, separator: [4, 3], endOfTurn: 18 });
  });

  for (const missing of ['safe', 'unsafe', '\n', 'S', ',S', '<|eot_id|>']) {
    it(`rejects a head without ${JSON.stringify(missing)}`, () => {
      expect(() => new LabelSet(labelsOf(labelTexts.filter((text) => text !== missing))))
        .to.throw(/labels must hold/)
        .with.property('code', 'ERR_LLAMA_GUARD_BAD_CONFIG');
    });
  }

  const broken = {
    'no number': labelsOf(labelTexts.filter((text) => !/\d/.test(text))),
    'a text twice': labelsOf([...labelTexts, 'safe']),
    'an id twice': [...labelsOf(labelTexts), { id: 1000, text: '(' }],
    'no row': [],
  };
  for (const [what, labels] of Object.entries(broken)) {
    it(`rejects a head with ${what}`, () => {
      expect(() => new LabelSet(labels)).to.throw().with.property('code', 'ERR_LLAMA_GUARD_BAD_CONFIG');
    });
  }
});
