// SPDX-License-Identifier: Apache-2.0
// Reads Meta's tokenizer.model: a line for each token, its bytes in base64 and its rank, which is its id as well.
// Two neighbours merge where their concatenation is a token; that token's rank is the priority.

import { badTokenizer } from './bad-tokenizer.js';
import type { TokenizerSource } from './tables.js';
import { type Vocabulary, idLimit } from './vocabulary.js';

const linePattern = /^([A-Za-z0-9+/]+={0,2}) ([0-9]{1,7})$/;

/** @throws {ERR_LLAMA_GUARD_BAD_TOKENIZER} a line is malformed, or the ranks are not 0, 1, 2, ... each once */
export function readTiktoken(text: string, controlNames: readonly string[]): TokenizerSource {
  const tokens = parseTokens(text);
  const controlTokens = new Map(controlNames.map((name, i) => [name, tokens.length + i]));
  if (controlTokens.size < controlNames.length) throw badTokenizer('a control token is named twice');
  return { tokens, controlTokens, ignoreMerges: true, listMerges: (vocabulary) => listMerges(tokens, vocabulary) };
}

/** The control tokens of Llama 3.1 and later, in the order of their ids, which follow the ranks. */
export function llama3ControlTokens(): string[] {
  const named = [
    '<|begin_of_text|>', '<|end_of_text|>', reserved(0), reserved(1), '<|finetune_right_pad_id|>', reserved(2),
    '<|start_header_id|>', '<|end_header_id|>', '<|eom_id|>', '<|eot_id|>', '<|python_tag|>',
  ];
  return [...named, ...Array.from({ length: 256 - named.length }, (_, i) => reserved(i + 3))];
}

function reserved(number: number): string {
  return `<|reserved_special_token_${number}|>`;
}

function parseTokens(text: string): Uint8Array[] {
  const byRank: (Uint8Array | undefined)[] = [];
  const seen = new Set<string>();
  const lines = text.split(/\r?\n/);
  if (lines[lines.length - 1] === '') lines.pop();
  lines.forEach((line, i) => {
    const [, base64, digits] = linePattern.exec(line) ?? [];
    if (base64 === undefined) throw badTokenizer(`line ${i + 1} is not a token in base64, a space and a rank`);
    const rank = Number(digits);
    if (rank >= idLimit || byRank[rank]) throw badTokenizer(`line ${i + 1} has a rank that is too large or taken: ${rank}`);
    if (seen.size === seen.add(base64).size) throw badTokenizer(`line ${i + 1} has a token that another line has as well`);
    byRank[rank] = Buffer.from(base64, 'base64');
  });
  const tokens = Array.from(byRank);
  const missing = tokens.indexOf(undefined);
  if (missing >= 0) throw badTokenizer(`no token has the rank ${missing}`);
  return tokens as Uint8Array[];
}

function listMerges(tokens: readonly Uint8Array[], vocabulary: Vocabulary): Uint32Array {
  const merges: number[] = [];
  tokens.forEach((token, id) => {
    for (let split = 1; split < token.length; split++) {
      const left = vocabulary.find(token, 0, split);
      const right = left < 0 ? -1 : vocabulary.find(token, split, token.length);
      if (right >= 0) merges.push(left, right, id, id);
    }
  });
  return Uint32Array.from(merges);
}
