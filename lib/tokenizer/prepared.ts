// SPDX-License-Identifier: Apache-2.0
// The prepared form of a tokenizer (docs/tokenizer.md): its tables as named tensors, used in place when they are read
// back. Reading checks once that nothing in them can lead outside of them, or from text to a control token.

import { badTokenizer } from './bad-tokenizer.js';
import { MergeTable, idWord, mergeWords, rankWord } from './merge-table.js';
import { isPowerOfTwo } from './open-addressing.js';
import type { TokenizerTables } from './tables.js';
import { Vocabulary, idLimit } from './vocabulary.js';

const version = 1;

/** A tensor to be written; `data` is little endian. */
export interface PreparedTensor {
  readonly name: string;
  readonly dtype: 'U8' | 'U32';
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** A tensor that was read; `data` may lie anywhere in a larger buffer and must not change as long as it is used. */
export interface TensorData {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** What a tokenizer is written as. The metadata only tells a reader of the file what it is. */
export interface PreparedTokenizer {
  readonly metadata: Record<string, string>;
  readonly tensors: PreparedTensor[];
}

export function writeTables({ vocabulary, merges, controlIds, ignoreMerges }: TokenizerTables): PreparedTokenizer {
  const { tokenBytes, tokenOffsets, vocabSlots } = vocabulary.tables;
  const words = (name: string, values: Uint32Array, shape: readonly number[] = [values.length]): PreparedTensor => ({
    name, dtype: 'U32', shape, data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  });
  return {
    metadata: { format: 'llama-guard-int4 tokenizer', version: String(version) },
    tensors: [
      words('settings', Uint32Array.of(version, ignoreMerges ? 1 : 0)),
      words('control_ids', controlIds),
      words('token_offsets', tokenOffsets),
      words('vocab_slots', vocabSlots),
      words('merge_slots', merges.words, [merges.words.length / mergeWords, mergeWords]),
      { name: 'token_bytes', dtype: 'U8', shape: [tokenBytes.length], data: tokenBytes },
    ],
  };
}

/** @throws {ERR_LLAMA_GUARD_BAD_TOKENIZER} a tensor is missing, of the wrong type or shape, or damaged */
export function readTables(tensors: ReadonlyMap<string, TensorData>): TokenizerTables {
  const ignoreMerges = readSettings(wordsOf(tensors, 'settings', [2]));
  const tokenBytes = tensorOf(tensors, 'token_bytes', 'U8', [undefined]);
  const tokenOffsets = wordsOf(tensors, 'token_offsets', [undefined]);
  checkOffsets(tokenOffsets, tokenBytes.length);
  const tokens = tokenOffsets.length - 1;
  const controlIds = wordsOf(tensors, 'control_ids', [undefined]);
  const isOrdinary = findOrdinary(controlIds, tokenOffsets);
  const vocabSlots = wordsOf(tensors, 'vocab_slots', [undefined]);
  checkVocabSlots(vocabSlots, isOrdinary);
  const mergeSlots = wordsOf(tensors, 'merge_slots', [undefined, mergeWords]);
  checkMergeSlots(mergeSlots, isOrdinary);
  if (tokens > idLimit) throw badTokenizer(`it has ${tokens} tokens, at most ${idLimit} are supported`);
  const vocabulary = new Vocabulary({ tokenBytes, tokenOffsets, vocabSlots });
  return { vocabulary, merges: new MergeTable(mergeSlots), controlIds, ignoreMerges };
}

function readSettings(settings: Uint32Array): boolean {
  const [found, ignoreMerges] = settings;
  if (found !== version) throw badTokenizer(`its prepared form has version ${found}, expected was ${version}`);
  if (ignoreMerges !== 0 && ignoreMerges !== 1) throw damaged('settings');
  return ignoreMerges === 1;
}

function checkOffsets(offsets: Uint32Array, bytes: number): void {
  if (offsets.length < 2 || offsets[0] !== 0 || offsets[offsets.length - 1] !== bytes) throw damaged('token_offsets');
  for (let i = 1; i < offsets.length; i++) {
    if (offsets[i]! < offsets[i - 1]!) throw damaged('token_offsets');
  }
}

/** 1 for the ids that text may become; checks the control ids on the way. */
function findOrdinary(controlIds: Uint32Array, tokenOffsets: Uint32Array): Uint8Array {
  const isOrdinary = new Uint8Array(tokenOffsets.length - 1).fill(1);
  for (let i = 0; i < controlIds.length; i++) {
    const id = controlIds[i]!;
    if (id >= isOrdinary.length || (i > 0 && id <= controlIds[i - 1]!)) throw damaged('control_ids');
    isOrdinary[id] = 0;
  }
  return isOrdinary;
}

function checkVocabSlots(slots: Uint32Array, isOrdinary: Uint8Array): void {
  if (!isPowerOfTwo(slots.length)) throw damaged('vocab_slots');
  for (let slot = 0; slot < slots.length; slot++) {
    const entry = slots[slot]!;
    if (entry !== 0 && isOrdinary[entry - 1] !== 1) throw damaged('vocab_slots');
  }
}

function checkMergeSlots(words: Uint32Array, isOrdinary: Uint8Array): void {
  if (!isPowerOfTwo(words.length / mergeWords)) throw damaged('merge_slots');
  for (let at = 0; at < words.length; at += mergeWords) {
    if (isOrdinary[words[at + idWord]!] !== 1 || words[at + rankWord]! >= idLimit) throw damaged('merge_slots');
  }
}

function wordsOf(tensors: ReadonlyMap<string, TensorData>, name: string, shape: readonly (number | undefined)[]): Uint32Array {
  const data = tensorOf(tensors, name, 'U32', shape);
  const aligned = data.byteOffset % 4 === 0 ? data : data.slice();
  return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
}

/** The bytes of a tensor whose type, shape (undefined: any size) and length are as they must be. */
function tensorOf(
  tensors: ReadonlyMap<string, TensorData>,
  name: string,
  dtype: PreparedTensor['dtype'],
  shape: readonly (number | undefined)[],
): Uint8Array {
  const tensor = tensors.get(name);
  if (!tensor) throw badTokenizer(`its tensor ${name} is missing`);
  const isShape = tensor.shape.length === shape.length && shape.every((size, i) => size === undefined || size === tensor.shape[i]);
  const bytes = tensor.shape.reduce((product, size) => product * size, dtype === 'U8' ? 1 : 4);
  if (tensor.dtype !== dtype || !isShape || tensor.data.length !== bytes) throw badTokenizer(`its tensor ${name} has the wrong type or shape`);
  return tensor.data;
}

function damaged(name: string): Error {
  return badTokenizer(`its tensor ${name} is damaged`);
}
