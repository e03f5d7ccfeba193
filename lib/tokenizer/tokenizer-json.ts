// SPDX-License-Identifier: Apache-2.0
// Reads Hugging Face's tokenizer.json: a vocabulary in the byte-level alphabet, merges in the order of their rank, and
// control tokens.

import { badTokenizer } from './bad-tokenizer.js';
import { parseByteLevel } from './byte-level.js';
import { type JsonObject, asArray, asObject, checkShape, show } from './json-shape.js';
import { mergeWords } from './merge-table.js';
import type { TokenizerSource } from './tables.js';
import { idLimit } from './vocabulary.js';

/** @throws {ERR_LLAMA_GUARD_BAD_TOKENIZER} not JSON, damaged, or of another kind */
export function readTokenizerJson(json: string): TokenizerSource {
  const root = asObject(parseJson(json), 'the root');
  const model = asObject(root['model'], 'model');
  checkShape(root, model);
  const controlTokens = parseControlTokens(asArray(root['added_tokens'] ?? [], 'added_tokens'));
  const idOf = parseVocabulary(asObject(model['vocab'], 'model.vocab'), controlTokens);
  const merges = asArray(model['merges'], 'model.merges');
  return {
    tokens: spellTokens(idOf),
    controlTokens,
    ignoreMerges: model['ignore_merges'] === true,
    listMerges: () => listMerges(merges, idOf),
  };
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw badTokenizer('tokenizer.json is not valid JSON', error);
  }
}

function parseControlTokens(added: readonly unknown[]): Map<string, number> {
  const tokens = new Map<string, number>();
  for (const entry of added) {
    const { content, id, special } = asObject(entry, 'added_tokens');
    if (typeof content !== 'string' || content === '' || typeof id !== 'number') {
      throw badTokenizer(`the added token ${show(content)} has no name or no id`);
    }
    if (special !== true) throw badTokenizer(`the added token ${show(content)} is not special; text would be searched for it`);
    if (tokens.has(content)) throw badTokenizer(`the added token ${show(content)} is listed twice`);
    tokens.set(content, id);
  }
  return tokens;
}

/** Ids of the ordinary tokens, by their spelling; some files list the control tokens among them as well. */
function parseVocabulary(vocab: JsonObject, controlTokens: ReadonlyMap<string, number>): Map<string, number> {
  const idOf = new Map<string, number>();
  for (const [spelling, id] of Object.entries(vocab)) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= idLimit) {
      throw badTokenizer(`the token ${show(spelling)} has the id ${show(id)}, expected was an integer in 0..${idLimit - 1}`);
    }
    if (controlTokens.get(spelling) !== id) idOf.set(spelling, id);
  }
  return idOf;
}

function spellTokens(idOf: ReadonlyMap<string, number>): (Uint8Array | undefined)[] {
  const tokens: (Uint8Array | undefined)[] = [];
  for (const [spelling, id] of idOf) {
    const bytes = parseByteLevel(spelling);
    if (!bytes?.length) throw badTokenizer(`the token ${show(spelling)} is not written in the byte-level alphabet`);
    if (tokens[id]) throw badTokenizer(`two tokens have the id ${id}`);
    tokens[id] = bytes;
  }
  return tokens;
}

function listMerges(merges: readonly unknown[], idOf: ReadonlyMap<string, number>): Uint32Array {
  if (merges.length > idLimit) throw badTokenizer(`it has ${merges.length} merges, at most ${idLimit} are supported`);
  const words = new Uint32Array(merges.length * mergeWords);
  merges.forEach((merge, rank) => {
    const [left, right] = parsePair(merge);
    const ids = [idOf.get(left), idOf.get(right), idOf.get(left + right)];
    const [leftId, rightId, id] = ids;
    if (leftId === undefined || rightId === undefined || id === undefined) {
      throw badTokenizer(`the merge ${show(merge)} is of or into a text that is no token`);
    }
    words.set([leftId, rightId, rank, id], rank * mergeWords);
  });
  return words;
}

/** Both spellings that are in use: "left right" and ["left", "right"]. */
function parsePair(merge: unknown): [string, string] {
  const pair: unknown = typeof merge === 'string' ? merge.split(' ') : merge;
  if (Array.isArray(pair) && pair.length === 2 && typeof pair[0] === 'string' && typeof pair[1] === 'string') {
    return [pair[0], pair[1]];
  }
  throw badTokenizer(`the merge ${show(merge)} is not a pair of tokens`);
}
