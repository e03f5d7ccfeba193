// SPDX-License-Identifier: Apache-2.0
// What a tokenizer can be read from, and what is refused with a reason: tokenizer.json and tokenizer.model.

import { expect } from 'chai';
import { LlamaGuardError } from '../../lib/errors/index.js';
import { Tokenizer } from '../../lib/tokenizer/index.js';
import { byteLevelAlphabet, controlEntry, llama3Pattern, tokenizerJson } from './llama3-vocabulary.js';

const byteVocab = Object.fromEntries(byteLevelAlphabet.map((char, byte) => [char, byte]));

const model = {
  ignore_merges: true,
  vocab: { ...byteVocab, ab: 256, abc: 257, 'Ġa': 258, bc: 259 } as Record<string, unknown>,
  merges: ['a b', 'ab c', 'Ġ a'] as unknown,
};
const added = [controlEntry('<|end|>', 260)];
const json = (changes: object = {}, tokens: readonly object[] = added): string => JSON.stringify(tokenizerJson({ ...model, ...changes }, tokens));
const root = (changes: object): string => JSON.stringify({ ...tokenizerJson(model, added), ...changes });

const tiktokenLine = (token: Uint8Array | string, rank: number): string => `${Buffer.from(token).toString('base64')} ${rank}`;
const tiktokenLines = [...Array.from({ length: 256 }, (_, byte) => tiktokenLine(Uint8Array.of(byte), byte)), tiktokenLine('ab', 256), tiktokenLine('abc', 257)];

function expectRefusal(run: () => unknown, reason: RegExp): void {
  try {
    run();
  } catch (error) {
    expect(LlamaGuardError.isInstance(error) && error.code).to.equal('ERR_LLAMA_GUARD_BAD_TOKENIZER');
    expect((error as Error).message).to.match(reason);
    return;
  }
  expect.fail('was not refused');
}

describe('tokenizer.json', () => {
  it('takes merges as strings and as pairs', () => {
    const asPairs = json({ merges: [['a', 'b'], ['ab', 'c'], ['Ġ', 'a']] });
    for (const source of [json(), asPairs]) {
      expect(Array.from(Tokenizer.fromTokenizerJson(source).encode('abc ab ax'))).to.deep.equal([257, 0x20, 256, 258, 0x78]);
    }
  });

  it('takes a whole piece from the vocabulary only where ignore_merges says so', () => {
    for (const [ignoreMerges, ids] of [[true, [259]], [false, [0x62, 0x63]], [undefined, [0x62, 0x63]]] as const) {
      expect(Array.from(Tokenizer.fromTokenizerJson(json({ ignore_merges: ignoreMerges })).encode('bc'))).to.deep.equal(ids);
    }
  });

  it('takes the rank of a merge from its place', () => {
    const vocab = { ...byteVocab, ab: 256, bc: 257 };
    const merges = (list: string[]): Tokenizer => Tokenizer.fromTokenizerJson(json({ vocab, merges: list }));
    expect(Array.from(merges(['a b', 'b c']).encode('abc'))).to.deep.equal([256, 0x63]);
    expect(Array.from(merges(['b c', 'a b']).encode('abc'))).to.deep.equal([0x61, 257]);
  });

  it('takes control tokens that the vocabulary lists as well, and ids without a token', () => {
    const tokenizer = Tokenizer.fromTokenizerJson(json({ vocab: { ...model.vocab, '<|end|>': 270 } }, [controlEntry('<|end|>', 270), controlEntry('Q', 275)]));
    expect(tokenizer.vocabSize).to.equal(276);
    expect(tokenizer.decode([270, 271, 0x61])).to.equal('<|end|>a');
    expect([tokenizer.tokenId('<|end|>'), tokenizer.controlToken('<|end|>')]).to.deep.equal([undefined, 270]);
    expect(Array.from(tokenizer.encode('Q'))).to.deep.equal([0x51]);
  });

  it('takes names of objects as tokens', () => {
    const vocab = { ...byteVocab, constructor: 256, toString: 257 };
    const tokenizer = Tokenizer.fromTokenizerJson(json({ vocab, merges: [] }));
    expect(Array.from(tokenizer.encode('constructor'))).to.deep.equal([256]);
    expectRefusal(() => Tokenizer.fromTokenizerJson(json({ vocab, merges: ['value Of'] })), /the merge "value Of"/);
  });

  const split = (changes: object, byteLevel: object = {}): object => ({
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: llama3Pattern }, behavior: 'Isolated', invert: false, ...changes },
        { type: 'ByteLevel', add_prefix_space: false, use_regex: false, ...byteLevel },
      ],
    },
  });
  const refusals: readonly (readonly [what: string, source: string, reason: RegExp])[] = [
    ['text that is no JSON', '{', /not valid JSON/],
    ['JSON of another shape', '[]', /the root of tokenizer\.json is not an object/],
    ['no model', '{}', /model of tokenizer\.json is not an object/],
    ['a normalizer', root({ normalizer: { type: 'NFC' } }), /has a normalizer/],
    ['another model', json({ type: 'Unigram' }), /its model is "Unigram"/],
    ['byte fallback', json({ byte_fallback: true }), /byte_fallback true/],
    ['dropout', json({ dropout: 0.1 }), /dropout 0\.1/],
    ['a prefix of subwords', json({ continuing_subword_prefix: '##' }), /continuing_subword_prefix "##"/],
    ['a suffix of words', json({ end_of_word_suffix: '</w>' }), /end_of_word_suffix/],
    ['an odd ignore_merges', json({ ignore_merges: 1 }), /ignore_merges 1/],
    ['no pre-tokenizer', root({ pre_tokenizer: null }), /pre_tokenizer of tokenizer\.json is not an object/],
    ['another pre-tokenizer', root({ pre_tokenizer: { type: 'Metaspace' } }), /its pre-tokenizer is "Metaspace"/],
    ["GPT-2's pre-tokenizer", root({ pre_tokenizer: { type: 'ByteLevel', use_regex: true } }), /its pre-tokenizer is "ByteLevel"/],
    ['another sequence', root({ pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Digits' }] } }), /a sequence of \["Digits"\]/],
    ['another pattern', root(split({ pattern: { Regex: '\\s+' } })), /its split pattern is "\\\\s\+"/],
    ['a plain string as pattern', root(split({ pattern: { String: ' ' } })), /its split pattern is undefined/],
    ['another behaviour', root(split({ behavior: 'Removed' })), /the behaviour "Removed"/],
    ['an inverted split', root(split({ invert: true })), /inverted true/],
    ['an added space', root(split({}, { add_prefix_space: true })), /adds a space/],
    ['a second split', root(split({}, { use_regex: true })), /splits by a pattern of its own/],
    ['an added token that is text', json({}, [{ content: 'x', id: 260, special: false }]), /"x" is not special/],
    ['an added token without a name', json({}, [{ id: 260, special: true }]), /has no name or no id/],
    ['a control token twice', json({}, [...added, controlEntry('<|end|>', 261)]), /"<\|end\|>" is listed twice/],
    ['a control token with the id of another token', json({}, [controlEntry('<|end|>', 5)]), /the id 5 of <\|end\|> belongs to another/],
    ['a control token beyond the limit', json({}, [controlEntry('<|end|>', 2 ** 22)]), /the id of <\|end\|> is not in 0\.\.4194303/],
    ['two tokens with one id', json({ vocab: { ...model.vocab, zz: 256 } }), /two tokens have the id 256/],
    ['an id that is none', json({ vocab: { ...model.vocab, zz: -1 } }), /the token "zz" has the id -1/],
    ['an id beyond the limit', json({ vocab: { ...model.vocab, zz: 2 ** 22 } }), /the token "zz" has the id 4194304/],
    ['a token in another alphabet', json({ vocab: { ...model.vocab, '▁a': 261 } }), /"▁a" is not written in the byte-level alphabet/],
    ['an empty token', json({ vocab: { ...model.vocab, '': 261 } }), /"" is not written in the byte-level alphabet/],
    ['a missing byte', json({ vocab: Object.fromEntries(Object.entries(model.vocab).filter(([token]) => token !== 'A')) }), /no token for the single byte 0x41/],
    ['a merge of unknown tokens', json({ merges: ['a zz'] }), /the merge "a zz"/],
    ['a merge into no token', json({ merges: ['c c'] }), /the merge "c c"/],
    ['a merge twice', json({ merges: ['a b', 'a b'] }), /is listed twice/],
    ['a merge of three', json({ merges: ['a b c'] }), /"a b c" is not a pair/],
    ['a merge of numbers', json({ merges: [[1, 2]] }), /\[1,2\] is not a pair/],
    ['no merges', json({ merges: undefined }), /model\.merges of tokenizer\.json is not an array/],
  ];
  for (const [what, source, reason] of refusals) {
    it(`is refused with ${what}`, () => expectRefusal(() => Tokenizer.fromTokenizerJson(source), reason));
  }
});

describe('tokenizer.model', () => {
  const read = (lines: readonly string[], controlTokens = ['<|end|>']): Tokenizer => Tokenizer.fromTiktoken(lines.join('\n'), { controlTokens });

  it('merges where the concatenation is a token', () => {
    const tokenizer = read([...tiktokenLines, '']);
    expect(Array.from(tokenizer.encode('abc'))).to.deep.equal([257]);
    expect(Array.from(tokenizer.encode('abcd'))).to.deep.equal([257, 0x64]);
    expect([tokenizer.vocabSize, tokenizer.controlToken('<|end|>')]).to.deep.equal([259, 258]);
  });

  it('takes lines in any order and with either line break', () => {
    expect(Array.from(Tokenizer.fromTiktoken([...tiktokenLines].reverse().join('\r\n')).encode('xabc'))).to.deep.equal([0x78, 257]);
  });

  const without = (index: number): string[] => tiktokenLines.filter((_, i) => i !== index);
  const refusals: readonly (readonly [what: string, lines: readonly string[], reason: RegExp, controlTokens?: string[]])[] = [
    ['no line', [], /no token for the single byte 0x00/],
    ['a blank line', ['', ...tiktokenLines], /line 1 is not a token in base64/],
    ['a line without a rank', [...tiktokenLines, 'YQ=='], /line 259 is not/],
    ['another encoding', [...tiktokenLines, '"a" 258'], /line 259 is not/],
    ['a rank twice', [...tiktokenLines, tiktokenLine('zz', 3)], /line 259 has a rank that is too large or taken: 3/],
    ['a rank beyond the limit', [...tiktokenLines, tiktokenLine('zz', 2 ** 22)], /line 259 has a rank that is too large/],
    ['a token twice', [...tiktokenLines, tiktokenLine('abc', 258)], /line 259 has a token that another line has/],
    ['a rank left out', [...tiktokenLines, tiktokenLine('zz', 300)], /no token has the rank 258/],
    ['a missing byte', [...without(65), tiktokenLine('zz', 65)], /no token for the single byte 0x41/],
    ['a control token twice', tiktokenLines, /named twice/, ['<|a|>', '<|a|>']],
  ];
  for (const [what, lines, reason, controlTokens] of refusals) {
    it(`is refused with ${what}`, () => expectRefusal(() => read(lines, controlTokens), reason));
  }
});
