// SPDX-License-Identifier: Apache-2.0
// Token ids against two implementations that share no code with ours: tiktoken (Rust, as WebAssembly), the reference of
// Meta's models, and @huggingface/tokenizers; on the vocabulary of Llama 3 and on that of the small test model.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer as HuggingFace } from '@huggingface/tokenizers';
import { expect } from 'chai';
import fc from 'fast-check';
import type { Tiktoken } from 'tiktoken';
import { Tokenizer } from '../../lib/tokenizer/index.js';
import { codePointClasses, letterClass, numberClass } from '../../lib/tokenizer/unicode-classes.js';
import { anyText, plainText } from './arbitraries.js';
import { llama3Json, llama3Tiktoken, llama3TiktokenText } from './llama3-vocabulary.js';

const seed = 20_241_117;

/** Runs a property over so many texts; a failure names the seed and a shrunken text. */
function check(text: fc.Arbitrary<string>, numRuns: number, property: (text: string) => void): void {
  fc.assert(fc.property(text, property), { seed, numRuns });
}

function reload(tokenizer: Tokenizer): Tokenizer {
  const { tensors } = tokenizer.toTensors();
  return Tokenizer.fromTensors({ tensors: new Map(tensors.map((tensor) => [tensor.name, { ...tensor, data: tensor.data.slice() }])) });
}

/**
 * @huggingface/tokenizers splits with the regular expressions of the JavaScript engine, whose Unicode version is another
 * one than ours in most versions of Node. Characters that one of the two takes for a letter or a number and the other
 * does not (they are few, and rare) are compared with tiktoken only.
 */
function isOfBothVersions(text: string): boolean {
  return [...text].every(hasSameClass);
}

function hasSameClass(char: string): boolean {
  const charClass = codePointClasses[char.codePointAt(0)!];
  return (charClass === letterClass) === /\p{L}/u.test(char) && (charClass === numberClass) === /\p{N}/u.test(char);
}

describe('token ids against other implementations', function () {
  this.timeout(300_000);

  describe('vocabulary of Llama 3', () => {
    const json = llama3Json();
    let fromJson: Tokenizer;
    let fromTiktoken: Tokenizer;
    let prepared: Tokenizer;
    let tiktoken: Tiktoken;
    before(() => {
      fromJson = Tokenizer.fromTokenizerJson(JSON.stringify(json));
      fromTiktoken = Tokenizer.fromTiktoken(llama3TiktokenText());
      prepared = reload(fromTiktoken);
      tiktoken = llama3Tiktoken();
    });
    after(() => tiktoken.free());

    it('equal those of tiktoken, from both sources and the prepared form', () => {
      check(anyText, 60_000, (text) => {
        const expected = tiktoken.encode_ordinary(text).join();
        expect(prepared.encode(text).join()).to.equal(expected);
        expect(fromJson.encode(text).join()).to.equal(expected);
        expect(fromTiktoken.encode(text).join()).to.equal(expected);
      });
    });

    it('decode to the text, lone surrogates replaced', () => {
      check(anyText, 20_000, (text) => {
        expect(prepared.decode(prepared.encode(text))).to.equal(Buffer.from(text).toString());
      });
    });

    it('equal those of @huggingface/tokenizers', () => {
      const reference = new HuggingFace(json, {});
      check(plainText.filter(isOfBothVersions), 20_000, (text) => {
        expect(fromJson.encode(text).join()).to.equal(reference.encode(text, { add_special_tokens: false }).ids.join());
      });
    });
  });

  it('equal those of @huggingface/tokenizers with the vocabulary of the small test model', () => {
    const json = readFileSync(join(process.cwd(), 'test/fixtures/guard-tiny/tokenizer.json'), 'utf8');
    const reference = new HuggingFace(JSON.parse(json) as object, {});
    const tokenizer = Tokenizer.fromTokenizerJson(json);
    check(plainText.filter(isOfBothVersions), 30_000, (text) => {
      expect(tokenizer.encode(text).join()).to.equal(reference.encode(text, { add_special_tokens: false }).ids.join());
    });
  });
});
