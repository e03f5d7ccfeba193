// SPDX-License-Identifier: Apache-2.0
// Byte-pair merges of a short piece, which is what nearly every piece is: a scan for the lowest rank, then a shift of
// what lies behind. Quadratic, but over so few symbols that it beats any queue.

import { type MergeTable, idWord, rankWord } from './merge-table.js';

/** Bytes of the longest piece that is merged this way; at about this length the bucket queue catches up. */
export const shortPieceBytes = 64;

const noRank = 0x7fffffff;

/** Owns its scratch memory; one call at a time. */
export class ShortMerger {
  private readonly ids = new Int32Array(shortPieceBytes);
  // Of the pair that begins at a symbol: its rank, and the id that it merges to.
  private readonly ranks = new Int32Array(shortPieceBytes);
  private readonly mergedIds = new Int32Array(shortPieceBytes);

  constructor(
    private readonly table: MergeTable,
    private readonly byteIds: Uint32Array,
  ) {}

  /** Writes the ids of a piece to `out` from `at` on; returns the position behind the last. */
  merge(bytes: Uint8Array, begin: number, end: number, out: Uint32Array, at: number): number {
    const { ids, ranks, byteIds } = this;
    let count = end - begin;
    for (let i = 0; i < count; i++) ids[i] = byteIds[bytes[begin + i]!]!;
    for (let i = 0; i < count; i++) this.rankPair(i, count);
    for (;;) {
      let best = 0;
      for (let i = 1; i < count; i++) if (ranks[i]! < ranks[best]!) best = i;
      if (ranks[best] === noRank) break;
      count = this.mergeAt(best, count);
    }
    for (let i = 0; i < count; i++) out[at + i] = ids[i]!;
    return at + count;
  }

  private mergeAt(best: number, count: number): number {
    const { ids, ranks, mergedIds } = this;
    ids[best] = mergedIds[best]!;
    for (let i = best + 2; i < count; i++) {
      ids[i - 1] = ids[i]!;
      ranks[i - 1] = ranks[i]!;
      mergedIds[i - 1] = mergedIds[i]!;
    }
    this.rankPair(best, count - 1);
    if (best > 0) this.rankPair(best - 1, count - 1);
    return count - 1;
  }

  private rankPair(i: number, count: number): void {
    const { table, ids } = this;
    const slot = i + 1 < count ? table.find(ids[i]!, ids[i + 1]!) : -1;
    this.ranks[i] = slot < 0 ? noRank : table.words[slot + rankWord]!;
    this.mergedIds[i] = slot < 0 ? 0 : table.words[slot + idWord]!;
  }
}
