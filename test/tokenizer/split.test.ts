// SPDX-License-Identifier: Apache-2.0
// The split into pieces: by hand, against tiktoken's regular expressions for every code point, and on long runs.

import { expect } from 'chai';
import { pieceEnd, splitPattern } from '../../lib/tokenizer/split.js';
import { codePointClasses, letterClass, lineBreakClass, numberClass, otherClass, spaceClass } from '../../lib/tokenizer/unicode-classes.js';
import { byteTiktoken, llama3Pattern } from './llama3-vocabulary.js';

function split(text: string): string[] {
  const bytes = new TextEncoder().encode(text);
  const pieces: string[] = [];
  for (let begin = 0, end = 0; begin < bytes.length; begin = end) {
    end = pieceEnd(bytes, begin, bytes.length);
    expect(end).to.be.greaterThan(begin);
    pieces.push(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(begin, end)));
  }
  return pieces;
}

/** The characters that a pattern for one character matches. */
function matches(pattern: string): Set<string> {
  const tiktoken = byteTiktoken(pattern);
  const found = new Set<string>();
  for (let block = 0; block < 0x110000; block += 0x1000) {
    const chars = Array.from({ length: 0x1000 }, (_, i) => block + i).filter((codePoint) => codePoint < 0xd800 || codePoint > 0xdfff);
    const bytes = Buffer.from(tiktoken.encode_ordinary(String.fromCodePoint(...chars)));
    for (const char of bytes.toString()) found.add(char);
  }
  tiktoken.free();
  return found;
}

describe('split pattern', function () {
  this.timeout(300_000);

  it('is the one that Meta publishes', () => {
    expect(splitPattern).to.equal(llama3Pattern);
  });

  const examples: readonly (readonly [name: string, pieces: readonly string[]])[] = [
    ['words take one character before them', ['Hello', ' world', '-z', '\tx', '\u00a0y']],
    ['but no line break', ['\n', 'a', '\r', 'b']],
    ['nor more than one', [' ', ' a', '--', 'b']],
    ['numbers come in threes, without a space', ['a', ' ', '123', '456', '7', 'b']],
    ['numbers of all scripts', ['٣٤٥', '٦½²', 'Ⅷ', 'x']],
    ['contractions in any case', ['it', "'s", ' I', "'LL", ' we', "'Re", 'x', "'t", 'h', "'D"]],
    ['a contraction ends where it ends', ["'s", 'ea', "'re", 'd', " '", 'said']],
    ['the long s is an s', ["'ſ", 'a']],
    ['what only begins like one', ["'l", '1', "'K", "'é", " ''", 's', "'"]],
    ['punctuation takes a space before and line breaks after', [' !?', ' ...\n\r\n', ' ', ' a']],
    ['other white space stays before punctuation', ['\t', '!', '\u00a0', '?']],
    ['white space leaves its last character to what follows', ['a', '   ', ' b', '  ', ' ', '1']],
    ['at the end of the text it keeps it', ['a', ' \t ']],
    ['a run goes up to its last line break', [' \n \r\n', ' ', ' a']],
    ['line separators are white space, not line breaks', ['a', '\u2028', '\u2029b']],
    ['U+0085 is white space', ['!', ' \u0085', ' a', '\u0085', '!']],
    ['U+FEFF is none', ['!\ufeff', ' \ufeff', ' a', '\ufeffb']],
    ['marks are no letters', ['म', 'ुझ', 'े']],
    ['characters beyond the BMP', ['𝒜', '😀', ' 𠀀', '🏴\u{e0067}', '𝟘𝟙𝟚', '𝟛']],
  ];
  for (const [name, pieces] of examples) {
    it(name, () => expect(split(pieces.join(''))).to.deep.equal(pieces));
  }

  it('has the classes of every code point that the reference has', () => {
    const letters = matches('\\p{L}');
    const numbers = matches('\\p{N}');
    const whiteSpace = matches('\\s');
    for (let codePoint = 0; codePoint < 0x110000; codePoint++) {
      if (codePoint >= 0xd800 && codePoint <= 0xdfff) continue;
      const char = String.fromCodePoint(codePoint);
      let expected = otherClass;
      if (letters.has(char)) expected = letterClass;
      if (numbers.has(char)) expected = numberClass;
      if (whiteSpace.has(char)) expected = char === '\r' || char === '\n' ? lineBreakClass : spaceClass;
      if ((codePointClasses[codePoint] ?? otherClass) !== expected) expect.fail(`U+${codePoint.toString(16)} should be of class ${expected}`);
    }
    expect(letters.size).to.equal(141_028);
  });

  it('folds case in contractions as the reference does', () => {
    for (const [letter, folded] of [['s', 'sSſ'], ['t', 'tT'], ['r', 'rR'], ['e', 'eE'], ['v', 'vV'], ['m', 'mM'], ['l', 'lL'], ['d', 'dD']]) {
      expect([...matches(`(?i:${letter})`)].sort()).to.deep.equal([...folded!].sort());
    }
  });

  it('cuts runs of a million characters into few and right pieces', () => {
    const million = 1_000_000;
    expect(split(`${' '.repeat(million)}x`).map((piece) => piece.length)).to.deep.equal([million - 1, 2]);
    expect(split(`${'\n'.repeat(million)}x`).map((piece) => piece.length)).to.deep.equal([million, 1]);
    expect(split('x'.repeat(million))).to.have.lengthOf(1);
    expect(split('!'.repeat(million))).to.have.lengthOf(1);
    expect(split('\u3000'.repeat(million))).to.have.lengthOf(1);
    expect(split(`${'\n'.concat(' '.repeat(50)).repeat(20_000)}x`).map((piece) => piece.length)).to.deep.equal([51 * 19_999 + 1, 49, 2]);
    expect(split('!\n '.repeat(300_000))).to.deep.equal(['!\n', ...Array.from({ length: 299_999 }, () => ' !\n'), ' ']);
  });
});
