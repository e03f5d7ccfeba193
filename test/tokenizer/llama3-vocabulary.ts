// SPDX-License-Identifier: Apache-2.0
// The Llama 3 vocabulary for tests, out of llama3-tokenizer-js, which carries it: as the text of a tokenizer.json, as the
// text of a tokenizer.model, and as tiktoken with these ranks.

import llama3 from 'llama3-tokenizer-js';
import { Tiktoken } from 'tiktoken';

/** The pattern as Meta publishes it; the library has its own copy, which tests compare with this one. */
export const llama3Pattern =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

export const ordinaryTokens = 128_000;
export const controlNames: readonly string[] = llama3.vocabById.slice(ordinaryTokens);

/** A tokenizer.json of Llama 3's form around a model. */
export function tokenizerJson(model: object, addedTokens: readonly object[]): Record<string, unknown> {
  return {
    added_tokens: addedTokens,
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: llama3Pattern }, behavior: 'Isolated', invert: false },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', dropout: null, byte_fallback: false, ...model },
  };
}

/** An entry of added_tokens. */
export function controlEntry(content: string, id: number): object {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
}

export function llama3Json(): Record<string, unknown> {
  const vocab = Object.fromEntries(llama3.vocabById.slice(0, ordinaryTokens).map((token, id) => [token, id]));
  const merges = [...llama3.merges.keys()].map((pair) => pair.split(' '));
  return tokenizerJson({ ignore_merges: true, vocab, merges }, controlNames.map((name, i) => controlEntry(name, ordinaryTokens + i)));
}

const isVisible = (byte: number): boolean => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
const hiddenBytes = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => !isVisible(byte));

/** By byte, the character that stands for it in a tokenizer.json. */
export const byteLevelAlphabet: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  String.fromCodePoint(isVisible(byte) ? byte : 256 + hiddenBytes.indexOf(byte)),
);

/** The tokens in base64, in the order of their ranks. */
function base64Tokens(): string[] {
  const byteOf = new Map(byteLevelAlphabet.map((char, byte) => [char, byte]));
  const tokens = llama3.vocabById.slice(0, ordinaryTokens);
  return tokens.map((token) => Buffer.from([...token].map((char) => byteOf.get(char)!)).toString('base64'));
}

export function llama3TiktokenText(): string {
  return base64Tokens().map((token, rank) => `${token} ${rank}\n`).join('');
}

export function llama3Tiktoken(): Tiktoken {
  return new Tiktoken(['!', '0', ...base64Tokens()].join(' '), {}, llama3Pattern);
}

/** tiktoken with the 256 bytes as its only tokens: what a pattern matches comes out as its UTF-8. */
export function byteTiktoken(pattern: string): Tiktoken {
  const tokens = Array.from({ length: 256 }, (_, byte) => Buffer.from([byte]).toString('base64'));
  return new Tiktoken(['!', '0', ...tokens].join(' '), {}, pattern);
}
