// SPDX-License-Identifier: Apache-2.0
// Refuses every tokenizer.json that would split or map text in another way than this package does, and says why.

import { badTokenizer } from './bad-tokenizer.js';
import { splitPattern } from './split.js';

export type JsonObject = Readonly<Record<string, unknown>>;

/** @throws {ERR_LLAMA_GUARD_BAD_TOKENIZER} */
export function asObject(value: unknown, name: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw badTokenizer(`${name} of tokenizer.json is not an object`);
}

/** @throws {ERR_LLAMA_GUARD_BAD_TOKENIZER} */
export function asArray(value: unknown, name: string): readonly unknown[] {
  if (Array.isArray(value)) return value as readonly unknown[];
  throw badTokenizer(`${name} of tokenizer.json is not an array`);
}

/** @throws {ERR_LLAMA_GUARD_BAD_TOKENIZER} it is not a byte-level BPE with Llama 3's split pattern and nothing more */
export function checkShape(root: JsonObject, model: JsonObject): void {
  if (root['normalizer'] != null) throw badTokenizer('it has a normalizer, expected was none');
  if (model['type'] !== 'BPE') throw badTokenizer(`its model is ${show(model['type'])}, expected was "BPE"`);
  for (const option of ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix', 'byte_fallback']) {
    // Absent, null, 0, "" and false all mean that the option is not used.
    if (model[option]) throw badTokenizer(`its model has ${option} ${show(model[option])}, expected was none`);
  }
  const ignoreMerges = model['ignore_merges'] ?? false;
  if (typeof ignoreMerges !== 'boolean') throw badTokenizer(`its model has ignore_merges ${show(ignoreMerges)}, expected was true or false`);
  checkPreTokenizer(root['pre_tokenizer']);
}

function checkPreTokenizer(value: unknown): void {
  const preTokenizer = asObject(value, 'pre_tokenizer');
  const type = preTokenizer['type'];
  if (type !== 'Sequence') throw badTokenizer(`its pre-tokenizer is ${show(type)}, expected was a sequence of Split and ByteLevel`);
  const steps = asArray(preTokenizer['pretokenizers'], 'pre_tokenizer').map((step) => asObject(step, 'pre_tokenizer'));
  const [split, byteLevel] = steps;
  if (steps.length !== 2 || split?.['type'] !== 'Split' || byteLevel?.['type'] !== 'ByteLevel') {
    throw badTokenizer(`its pre-tokenizer is a sequence of ${show(steps.map((step) => step['type']))}, expected were Split and ByteLevel`);
  }
  const pattern = asObject(split['pattern'], 'pre_tokenizer')['Regex'];
  if (pattern !== splitPattern) throw badTokenizer(`its split pattern is ${show(pattern)}, expected was Llama 3's`);
  if (split['behavior'] !== 'Isolated' || split['invert'] !== false) {
    throw badTokenizer(`its split has the behaviour ${show(split['behavior'])}, inverted ${show(split['invert'])}; expected were "Isolated" and false`);
  }
  if (byteLevel['add_prefix_space'] !== false || byteLevel['use_regex'] !== false) {
    throw badTokenizer('its byte-level step adds a space or splits by a pattern of its own');
  }
}

/** A value from the file, bounded, for a message. */
export function show(value: unknown): string {
  return String(JSON.stringify(value)).slice(0, 200);
}
