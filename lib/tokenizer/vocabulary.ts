// SPDX-License-Identifier: Apache-2.0
// Tokens by id (one block of bytes, and where each token begins) and ids by bytes (a hash table). Only ordinary tokens
// are in the hash table: what is not there can never come out of a text.

import { badTokenizer } from './bad-tokenizer.js';
import { buildTable, maxProbes } from './open-addressing.js';

/** Ids and merge ranks are below this. */
export const idLimit = 2 ** 22;

export interface VocabularyTables {
  /** The bytes of all tokens, in the order of their ids. */
  readonly tokenBytes: Uint8Array;
  /** Where each token begins in them; one more entry for the end. */
  readonly tokenOffsets: Uint32Array;
  /** Hash table of the ordinary tokens: id + 1, or 0 where a slot is free. */
  readonly vocabSlots: Uint32Array;
}

/** Immutable; views of the tables that it is given. */
export class Vocabulary {
  readonly size: number;
  /** Bytes of the longest token. */
  readonly maxTokenBytes: number;
  private readonly mask: number;

  constructor(readonly tables: VocabularyTables) {
    const { tokenOffsets, vocabSlots } = tables;
    this.size = tokenOffsets.length - 1;
    this.mask = vocabSlots.length - 1;
    let longest = 0;
    for (let id = 0; id < this.size; id++) longest = Math.max(longest, tokenOffsets[id + 1]! - tokenOffsets[id]!);
    this.maxTokenBytes = longest;
  }

  /** Lays the tokens out and hashes those that are not control tokens. An absent id has no bytes. */
  static build(tokens: readonly (Uint8Array | undefined)[], controlIds: ReadonlySet<number>): Vocabulary {
    const tokenOffsets = new Uint32Array(tokens.length + 1);
    for (let id = 0; id < tokens.length; id++) tokenOffsets[id + 1] = tokenOffsets[id]! + (tokens[id]?.length ?? 0);
    const tokenBytes = new Uint8Array(tokenOffsets[tokens.length]!);
    tokens.forEach((token, id) => token && tokenBytes.set(token, tokenOffsets[id]!));
    const vocabSlots = buildTable(tokens.length, (slots) => placeTokens(tokens, controlIds, slots));
    return new Vocabulary({ tokenBytes, tokenOffsets, vocabSlots });
  }

  /** The id of the ordinary token that is exactly these bytes, or -1. */
  find(bytes: Uint8Array, begin: number, end: number): number {
    const { vocabSlots } = this.tables;
    let slot = hashBytes(bytes, begin, end) & this.mask;
    for (let probe = 0; probe < maxProbes; probe++) {
      const entry = vocabSlots[slot]!;
      if (entry === 0) return -1;
      if (this.equals(entry - 1, bytes, begin, end)) return entry - 1;
      slot = (slot + 1) & this.mask;
    }
    return -1;
  }

  /** The bytes of a token; a view. */
  bytesOf(id: number): Uint8Array {
    const { tokenBytes, tokenOffsets } = this.tables;
    return tokenBytes.subarray(tokenOffsets[id]!, tokenOffsets[id + 1]!);
  }

  /**
   * The ids of the 256 single bytes, from which every piece can be made.
   * @throws {ERR_LLAMA_GUARD_BAD_TOKENIZER} one of them is no token
   */
  byteIds(): Uint32Array {
    const single = new Uint8Array(1);
    return Uint32Array.from({ length: 256 }, (_, byte) => {
      single[0] = byte;
      const id = this.find(single, 0, 1);
      if (id < 0) throw badTokenizer(`it has no token for the single byte 0x${byte.toString(16).padStart(2, '0')}`);
      return id;
    });
  }

  private equals(id: number, bytes: Uint8Array, begin: number, end: number): boolean {
    const { tokenBytes, tokenOffsets } = this.tables;
    let at = tokenOffsets[id]!;
    if (tokenOffsets[id + 1]! - at !== end - begin) return false;
    for (let i = begin; i < end; i++, at++) {
      if (tokenBytes[at] !== bytes[i]) return false;
    }
    return true;
  }
}

function placeTokens(
  tokens: readonly (Uint8Array | undefined)[],
  controlIds: ReadonlySet<number>,
  slots: number,
): Uint32Array | undefined {
  const table = new Uint32Array(slots);
  for (let id = 0; id < tokens.length; id++) {
    const token = tokens[id];
    if (!token?.length || controlIds.has(id)) continue;
    let slot = hashBytes(token, 0, token.length) & (slots - 1);
    let probe = 0;
    for (; table[slot] !== 0; slot = (slot + 1) & (slots - 1)) {
      if (++probe === maxProbes) return undefined;
    }
    table[slot] = id + 1;
  }
  return table;
}

/** FNV-1a, its high bits folded into the low ones that choose the slot. Part of the prepared form. */
function hashBytes(bytes: Uint8Array, begin: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = begin; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash ^ (hash >>> 15);
}
