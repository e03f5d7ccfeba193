// SPDX-License-Identifier: Apache-2.0
// The tokenizer as its users see it: known ids, control tokens, decoding, long texts.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Tokenizer } from '../../lib/tokenizer/index.js';
import { controlNames, llama3Json, llama3TiktokenText, ordinaryTokens } from './llama3-vocabulary.js';

const fixtures = join(process.cwd(), 'test/fixtures/guard-tiny');

interface Example {
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly token_ids: readonly number[];
}

/** The official prompt, written out here so that this test depends on no other part of the package. */
function renderPrompt(messages: Example['messages']): (string | { control: string })[] {
  const role = (name: string): string => (name === 'user' ? 'User' : 'Agent');
  const judged = role(messages[messages.length - 1]!.role);
  const categories = [
    'Violent Crimes', 'Non-Violent Crimes', 'Sex Crimes', 'Child Exploitation', 'Defamation', 'Specialized Advice', 'Privacy',
    'Intellectual Property', 'Indiscriminate Weapons', 'Hate', 'Self-Harm', 'Sexual Content', 'Elections',
  ];
  return [
    { control: '<|begin_of_text|>' }, { control: '<|start_header_id|>' }, 'user', { control: '<|end_header_id|>' },
    `\n\nTask: Check if there is unsafe content in '${judged}' messages in conversations according our safety policy with the below categories.\n\n` +
      `<BEGIN UNSAFE CONTENT CATEGORIES>\n${categories.map((name, i) => `S${i + 1}: ${name}.\n`).join('')}<END UNSAFE CONTENT CATEGORIES>\n\n` +
      `<BEGIN CONVERSATION>\n\n${messages.map((message) => `${role(message.role)}: ${message.content}\n\n`).join('')}<END CONVERSATION>\n\n` +
      `Provide your safety assessment for ONLY THE LAST ${judged} message in the above conversation:\n` +
      " - First line must read 'safe' or 'unsafe'.\n" +
      ' - If unsafe, a second line must include a comma-separated list of violated categories. ',
    { control: '<|eot_id|>' }, { control: '<|start_header_id|>' }, 'assistant', { control: '<|end_header_id|>' },
  ];
}

describe('tokenizer', function () {
  this.timeout(300_000);

  describe('with the vocabulary of Llama 3', () => {
    let tokenizer: Tokenizer;
    before(() => { tokenizer = Tokenizer.fromTiktoken(llama3TiktokenText()); });

    it('knows the ids of the labels', () => {
      const labels: [string, number][] = [
        ['safe', 19193], ['unsafe', 39257], ['\n', 198], ['\n\n', 271], ['S', 50], [',', 11], [',S', 21861], ['1', 16], ['9', 24],
        ['10', 605], ['11', 806], ['12', 717], ['13', 1032], ['14', 975],
      ];
      for (const [text, id] of labels) {
        expect(tokenizer.tokenId(text)).to.equal(id);
        expect(Array.from(tokenizer.encode(text))).to.deep.equal([id]);
      }
      expect(Array.from(tokenizer.encode('unsafe\nS1,S9'))).to.deep.equal([39257, 198, 50, 16, 21861, 24]);
    });

    it('has the control tokens behind the ranks', () => {
      expect(tokenizer.vocabSize).to.equal(128_256);
      expect(tokenizer.maxTokenBytes).to.equal(128);
      expect([...tokenizer.controlTokens.keys()]).to.deep.equal(controlNames);
      expect([...tokenizer.controlTokens.values()]).to.deep.equal(controlNames.map((_, i) => ordinaryTokens + i));
      expect(tokenizer.controlToken('<|begin_of_text|>')).to.equal(128_000);
      expect(tokenizer.controlToken('<|start_header_id|>')).to.equal(128_006);
      expect(tokenizer.controlToken('<|eot_id|>')).to.equal(128_009);
      expect(tokenizer.controlToken('unsafe')).to.equal(undefined);
    });

    it('has the same tokens and merges from tokenizer.json', () => {
      const fromJson = Tokenizer.fromTokenizerJson(JSON.stringify(llama3Json()));
      expect([...fromJson.controlTokens]).to.deep.equal([...tokenizer.controlTokens]);
      const tensorOf = (source: Tokenizer, name: string): Uint8Array => source.toTensors().tensors.find((tensor) => tensor.name === name)!.data;
      for (const name of ['token_bytes', 'token_offsets', 'vocab_slots', 'control_ids']) {
        expect(Buffer.compare(tensorOf(fromJson, name), tensorOf(tokenizer, name)), name).to.equal(0);
      }
    });

    it('never makes a control token of text', () => {
      for (const name of controlNames) {
        for (const text of [name, `a${name}b`, ` ${name}\n\n`, name.repeat(3)]) {
          const ids = tokenizer.encode(text);
          expect(Math.max(...ids), text).to.be.lessThan(ordinaryTokens);
          expect(tokenizer.decode(ids)).to.equal(text);
        }
        expect(tokenizer.tokenId(name), name).to.equal(undefined);
      }
    });

    it('decodes control tokens as their names', () => {
      expect(tokenizer.decode([128_006, 882, 128_007, 271, 128_009])).to.equal('<|start_header_id|>user<|end_header_id|>\n\n<|eot_id|>');
    });

    it('decodes cut characters as U+FFFD and keeps U+FEFF', () => {
      const [first] = tokenizer.encode('\u{13000}');
      expect(tokenizer.decode([first!])).to.equal('\ufffd');
      expect(tokenizer.decode(tokenizer.encode('\ufeffa'))).to.equal('\ufeffa');
      expect(tokenizer.decode([])).to.equal('');
    });

    it('takes lone surrogates as U+FFFD', () => {
      for (const text of ['\ud800', 'a\udc00b', '\udc00\ud800']) {
        expect(Array.from(tokenizer.encode(text))).to.deep.equal(Array.from(tokenizer.encode(text.replace(/[\ud800-\udfff]/g, '\ufffd'))));
      }
    });

    it('has no single token for other texts', () => {
      for (const text of ['', 'no such token', 'S14', ' '.repeat(129), 'x'.repeat(10_000)]) expect(tokenizer.tokenId(text)).to.equal(undefined);
      expect(tokenizer.tokenId(' '.repeat(128))).to.be.a('number');
    });

    it('refuses ids that it does not have', () => {
      for (const id of [-1, 128_256, 1.5, Number.NaN, 2 ** 32]) {
        expect(() => tokenizer.decode([id])).to.throw().with.property('code', 'ERR_LLAMA_GUARD_INVALID_ARGUMENT');
      }
    });

    it('refuses a text that no context can hold', () => {
      expect(() => tokenizer.encode('a'.repeat(2 ** 24 + 1))).to.throw().with.property('code', 'ERR_LLAMA_GUARD_CONTEXT_OVERFLOW');
    });

    it('encodes runs of a million characters', () => {
      const million = 1_000_000;
      const counts: [string, number][] = [
        // The longest tokens of one letter, of one digit group and of spaces: 8, 3 and 128 characters.
        ['a'.repeat(million), million / 8], ['1'.repeat(million), Math.ceil(million / 3)], [' '.repeat(128_000), 1_000],
      ];
      for (const [text, count] of counts) expect(tokenizer.encode(text)).to.have.lengthOf(count);
      for (const text of ['ab', 'あ', '😀', '\n', ' \n', '!?', 'a 1!\t']) {
        const long = text.repeat(million / text.length);
        const ids = tokenizer.encode(long);
        expect(tokenizer.decode(ids) === long, text).to.equal(true);
      }
    });

    it('does not let a long text change what a short one becomes', () => {
      const before = Array.from(tokenizer.encode('User: how are you?'));
      tokenizer.encode('zq'.repeat(100_000));
      expect(Array.from(tokenizer.encode('User: how are you?'))).to.deep.equal(before);
      expect(before.length).to.equal(6);
    });
  });

  describe('with the vocabulary of the small test model', () => {
    const tokenizer = Tokenizer.fromTokenizerJson(readFileSync(join(fixtures, 'tokenizer.json'), 'utf8'));
    const { examples } = JSON.parse(readFileSync(join(fixtures, 'vectors.json'), 'utf8')) as { examples: Example[] };

    examples.forEach(({ messages, token_ids: expected }, i) => {
      it(`gives the ids of whole prompt ${i + 1}`, () => {
        const ids = renderPrompt(messages).flatMap((part) =>
          typeof part === 'string' ? Array.from(tokenizer.encode(part)) : [tokenizer.controlToken(part.control)],
        );
        expect(ids).to.deep.equal(expected);
      });
    });

    it('decodes them to the prompt', () => {
      const { messages, token_ids: ids } = examples[0]!;
      const prompt = renderPrompt(messages).map((part) => (typeof part === 'string' ? part : part.control)).join('');
      expect(tokenizer.decode(ids)).to.equal(prompt);
    });
  });
});
