// SPDX-License-Identifier: Apache-2.0
// Which neighbours merge: a hash table from (left id, right id) to (rank, id), four words a slot so that a look-up
// touches one cache line. The lower the rank, the earlier the merge.

import { badTokenizer } from './bad-tokenizer.js';
import { buildTable, maxProbes } from './open-addressing.js';

/** Words of a slot, and of a merge in the list that a table is built from: left, right, rank, id. */
export const mergeWords = 4;
export const rankWord = 2;
export const idWord = 3;

/** The left id of a free slot; its other words are 0. */
export const freeSlot = 0xffffffff;

/** Immutable; a view of the words that it is given. */
export class MergeTable {
  private readonly mask: number;

  constructor(readonly words: Uint32Array) {
    this.mask = words.length / mergeWords - 1;
  }

  /**
   * @param merges left, right, rank, id of each
   * @throws {ERR_LLAMA_GUARD_BAD_TOKENIZER} a pair is listed twice
   */
  static build(merges: Uint32Array): MergeTable {
    return new MergeTable(buildTable(merges.length / mergeWords, (slots) => placeMerges(merges, slots)));
  }

  /** The position of the pair's slot in `words`, or -1 where the two do not merge. */
  find(left: number, right: number): number {
    const { words, mask } = this;
    let slot = hashPair(left, right) & mask;
    for (let probe = 0; probe < maxProbes; probe++) {
      const at = slot * mergeWords;
      const found = words[at]!;
      if (found === left && words[at + 1] === right) return at;
      if (found === freeSlot) return -1;
      slot = (slot + 1) & mask;
    }
    return -1;
  }

  /** The highest rank in the table; reads all of it. */
  maxRank(): number {
    let maxRank = 0;
    for (let at = rankWord; at < this.words.length; at += mergeWords) maxRank = Math.max(maxRank, this.words[at]!);
    return maxRank;
  }
}

function placeMerges(merges: Uint32Array, slots: number): Uint32Array | undefined {
  const words = new Uint32Array(slots * mergeWords);
  for (let at = 0; at < words.length; at += mergeWords) words[at] = freeSlot;
  for (let merge = 0; merge < merges.length; merge += mergeWords) {
    const left = merges[merge]!;
    const right = merges[merge + 1]!;
    let slot = hashPair(left, right) & (slots - 1);
    let probe = 0;
    for (; words[slot * mergeWords] !== freeSlot; slot = (slot + 1) & (slots - 1)) {
      if (words[slot * mergeWords] === left && words[slot * mergeWords + 1] === right) {
        throw badTokenizer(`the merge of tokens ${left} and ${right} is listed twice`);
      }
      if (++probe === maxProbes) return undefined;
    }
    words.set(merges.subarray(merge, merge + mergeWords), slot * mergeWords);
  }
  return words;
}

/** Part of the prepared form. */
function hashPair(left: number, right: number): number {
  let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return hash ^ (hash >>> 13);
}
