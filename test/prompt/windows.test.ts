// SPDX-License-Identifier: Apache-2.0
// Windows over long texts: that they cover every token and cut no character, their size, overlap and number.

import { expect } from 'chai';
import fc from 'fast-check';

import { trimText } from '../../lib/prompt/conversation.js';
import { cutWindows, maxWindows, minWindowTokens, overlapOf, TokenLine } from '../../lib/prompt/windows.js';
import { Tokenizer } from '../../lib/tokenizer/index.js';
import { anyText } from '../tokenizer/arbitraries.js';
import { llama3Json } from '../tokenizer/llama3-vocabulary.js';

const llama3 = Tokenizer.fromTokenizerJson(JSON.stringify(llama3Json()));
/** A token for every byte: most tokens begin within a character. */
const bytes = Tokenizer.fromTiktoken(Array.from({ length: 256 }, (_, i) => `${Buffer.of(i).toString('base64')} ${i}\n`).join(''));

interface Seen {
  readonly texts: readonly string[];
  readonly tokens: number;
  readonly ids: Uint32Array;
}

/** What cutWindows asks to encode for each of its windows. */
function windowsOf(texts: readonly string[], windowTokens: number, tokenizer = llama3, mostIds = Infinity): Seen[] {
  const line = new TokenLine(texts, tokenizer, 3);
  const asked = new Map<Uint32Array, readonly string[]>();
  const encode = (parts: readonly string[]): Uint32Array => {
    const ids = tokenizer.encode(parts.join('\n\nUser: '));
    asked.set(ids, parts);
    return ids;
  };
  return cutWindows(line, { windowTokens, mostIds, encode }).map((window) => ({ ...window, texts: asked.get(window.ids) ?? [] }));
}

/** Without halves of surrogate pairs. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}

function words(count: number): string {
  return Array.from({ length: count }, (_, i) => `w${i}`).join(' ');
}

/** Bytes of each token, out of the tables. */
function byteLengths(tokenizer: Tokenizer): (id: number) => number {
  const table = [...tokenizer.toTensors().tensors].find(({ name }) => name === 'token_offsets')?.data ?? new Uint8Array();
  const offsets = new Uint32Array(table.buffer, table.byteOffset, table.byteLength / 4);
  return (id) => (offsets[id + 1] ?? 0) - (offsets[id] ?? 0);
}

/** UTF-16 units of the whole characters in the first tokens of a text, by decoding their bytes. */
function unitsBefore(text: string, ids: Uint32Array, lengthOf: (id: number) => number): number[] {
  const utf8 = Buffer.from(text);
  let end = 0;
  const ends = [0, ...Array.from(ids, (id) => (end += lengthOf(id)))];
  return ends.map((bytesEnd) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(utf8.subarray(0, bytesEnd), { stream: true }).length);
}

const tokenizers = { 'Llama 3': llama3, 'single bytes': bytes } as const;
const names = Object.keys(tokenizers) as (keyof typeof tokenizers)[];

describe('token offsets', () => {
  for (const name of names) {
    it(`are where the character begins in which each token of ${name} does`, () => {
      const tokenizer = tokenizers[name];
      fc.assert(
        fc.property(anyText, (text) => {
          const ids = tokenizer.encode(text);
          expect([...tokenizer.offsets(text, ids)]).to.deep.equal(unitsBefore(text, ids, byteLengths(tokenizer)));
        }),
        { seed: 20250411, numRuns: 300 },
      );
    });
  }
});

describe('windows', () => {
  const sizes = fc.integer({ min: minWindowTokens, max: 400 });

  it('of a text hold every token of it, cut no character in two, and overlap as promised', () => {
    fc.assert(
      fc.property(fc.array(anyText, { minLength: 5, maxLength: 60 }), sizes, fc.constantFrom(...names), (parts, size, name) => {
        const tokenizer = tokenizers[name];
        const text = trimText(wellFormed(parts.join('')));
        // Blank windows are left out: that is a test of its own.
        fc.pre(text !== '' && !/\s{40}/.test(text));
        const ids = tokenizer.encode(text);
        const units = unitsBefore(text, ids, byteLengths(tokenizer));
        let end = 0;
        for (const { texts, tokens } of windowsOf([text], size, tokenizer)) {
          const begin = end === 0 ? 0 : end - overlapOf(size);
          end = begin + tokens;
          expect(tokens).to.be.at.most(size);
          expect(texts).to.deep.equal([text.slice(units[begin], units[end])]);
          expect(wellFormed(texts.join(''))).to.equal(texts.join(''));
        }
        expect(end).to.equal(ids.length);
      }),
      { seed: 20250412, numRuns: 300 },
    );
  });

  it('are of about the same size', () => {
    const text = words(1000);
    const total = llama3.encode(text).length;
    const tokens = windowsOf([text], 200).map((window) => window.tokens);
    expect(Math.max(...tokens) - Math.min(...tokens)).to.be.at.most(tokens.length);
    // By hand: windows of 200 that share 64 advance by 136.
    expect(tokens).to.have.lengthOf(Math.ceil((total - 64) / 136));
  });

  it('share at least 64 tokens, and an eighth of large ones', () => {
    expect([128, 511, 512, 528, 4096, 131_072].map(overlapOf)).to.deep.equal([64, 64, 64, 66, 512, 16_384]);
  });

  it('keep a short passage whole in one of them, wherever it stands', () => {
    const passage = 'this is the one sentence that matters here';
    for (let at = 0; at <= 300; at += 7) {
      const text = `${words(at)} ${passage} ${words(300 - at)}`;
      expect(windowsOf([text], 128).some(({ texts }) => texts.join('').includes(passage)), `${at}`).to.equal(true);
    }
  });

  it('span texts of one message, without empty ones', () => {
    const texts = [words(100), ' ', '', words(3), `${words(90)}!`];
    const windows = windowsOf(texts, 200);
    expect(windows.length).to.be.greaterThan(1);
    expect(windows.some((window) => window.texts.length > 1)).to.equal(true);
    expect(windows.flatMap((window) => window.texts).every((text) => text !== '')).to.equal(true);
    expect(windows[0]?.texts[0]?.startsWith('w0 w1 ')).to.equal(true);
    expect(windows.at(-1)?.texts.at(-1)?.endsWith('w89!')).to.equal(true);
  });

  it('of nothing but white space are left out', () => {
    // Tabs of 128 to a token; the run is longer than two windows.
    const text = `begin${' \t\n\u3000'.repeat(700)}end`;
    const windows = windowsOf([text], 128, bytes);
    expect(windows.every(({ texts }) => trimText(texts.join('')) !== '')).to.equal(true);
    expect([windows[0]?.texts[0]?.slice(0, 5), windows.at(-1)?.texts[0]?.slice(-3)]).to.deep.equal(['begin', 'end']);
  });

  it('are made smaller where a text cut out has more tokens than it had', () => {
    const most = 150;
    const windows = windowsOf([words(2000)], 151, llama3, most);
    expect(Math.max(...windows.map(({ ids }) => ids.length))).to.be.at.most(most);
    expect(windows.at(-1)?.texts[0]?.endsWith(' w1999')).to.equal(true);
    for (const [i, { texts }] of windows.slice(1).entries()) {
      const last = windows[i]?.texts[0]?.split(' ').at(-2) ?? '-';
      expect(texts[0]?.split(' '), 'goes on within the one before').to.include(last);
    }
  });

  it('are refused where they cannot be made small enough', () => {
    expect(() => windowsOf([words(500)], 128, llama3, 60))
      .to.throw(/window of 64 tokens does not fit/)
      .with.property('code', 'ERR_LLAMA_GUARD_CONTEXT_OVERFLOW');
  });

  it('are at most so many', () => {
    const tokens = 64 + maxWindows * 64;
    expect(windowsOf(['x'.repeat(tokens)], 128, bytes)).to.have.lengthOf(maxWindows);
    expect(() => windowsOf(['x'.repeat(tokens + 1)], 128, bytes))
      .to.throw(/needs 257 windows or more, at most 256/)
      .with.property('code', 'ERR_LLAMA_GUARD_CONTEXT_OVERFLOW');
  });
});
