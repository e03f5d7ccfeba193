// SPDX-License-Identifier: Apache-2.0
// Byte-pair merges of a piece of any length: symbols in a linked list, pairs in one bucket for each rank, a heap over
// the ranks. All pairs of the lowest rank are merged from left to right before the next rank's turn, so the work is
// linear in the piece, apart from the heap of ranks and the sorting of buckets that were filled out of order.

import { type MergeTable, idWord, rankWord } from './merge-table.js';
import { RankHeap } from './rank-heap.js';

const none = -1;
/** In `bucketPrevious`: the pair waits in no bucket. */
const unlisted = -2;

/** Pieces up to this many bytes share scratch memory that is kept (28 bytes each). */
const keptSymbols = 4096;

/** The symbols of a piece; a symbol is named by the offset of its first byte. */
class Symbols {
  readonly ids: Int32Array;
  readonly previous: Int32Array;
  readonly next: Int32Array;
  /** Of the pair that begins at a symbol: its slot in the merge table, or `none`. */
  readonly pairSlots: Int32Array;
  /** Of the pair that begins at a symbol: its neighbours in the bucket of its rank. */
  readonly bucketPrevious: Int32Array;
  readonly bucketNext: Int32Array;
  /** Pairs taken out of their bucket to be merged, the leftmost on top. */
  readonly ready: Int32Array;

  constructor(readonly capacity: number) {
    const column = (): Int32Array => new Int32Array(capacity);
    [this.ids, this.previous, this.next, this.pairSlots] = [column(), column(), column(), column()];
    [this.bucketPrevious, this.bucketNext, this.ready] = [column(), column(), column()];
  }
}

/** Owns its scratch memory; one call at a time. */
export class LongMerger {
  private symbols = new Symbols(0);
  /** First pair of each rank's bucket, or `none`; all are empty between calls. */
  private buckets = new Int32Array(0);
  private readonly ranks = new RankHeap();

  constructor(
    private readonly table: MergeTable,
    private readonly byteIds: Uint32Array,
  ) {}

  /** Writes the ids of a piece to `out` from `at` on; returns the position behind the last. */
  merge(bytes: Uint8Array, begin: number, end: number, out: Uint32Array, at: number): number {
    const length = end - begin;
    if (this.buckets.length === 0) this.buckets = new Int32Array(this.table.maxRank() + 1).fill(none);
    if (this.symbols.capacity < length) this.symbols = new Symbols(Math.max(length, keptSymbols));
    this.start(bytes, begin, length);
    this.mergeAll();
    const { ids, next } = this.symbols;
    let written = at;
    for (let symbol = 0; symbol !== none; symbol = next[symbol]!) out[written++] = ids[symbol]!;
    if (this.symbols.capacity > keptSymbols) this.symbols = new Symbols(0);
    return written;
  }

  private start(bytes: Uint8Array, begin: number, length: number): void {
    const { ids, previous, next } = this.symbols;
    for (let symbol = 0; symbol < length; symbol++) {
      ids[symbol] = this.byteIds[bytes[begin + symbol]!]!;
      previous[symbol] = symbol - 1;
      next[symbol] = symbol + 1 < length ? symbol + 1 : none;
    }
    for (let symbol = 0; symbol < length; symbol++) this.list(symbol);
  }

  /**
   * Merges by rank, then from left to right. A merge may make a pair whose rank is not above the one at work; such a
   * pair begins at or before the symbol just merged, so it comes before all that is still ready at the rank at work:
   * that rank is suspended, and the stack of ranks grows by one. Each merge removes a symbol, so this ends.
   */
  private mergeAll(): void {
    const { ready } = this.symbols;
    const atWork: { readonly rank: number; readonly base: number }[] = [];
    let top = 0;
    for (;;) {
      const current = atWork[atWork.length - 1];
      const lowest = this.ranks.lowest();
      if (lowest !== undefined && (!current || lowest <= current.rank)) {
        const base = top;
        top = this.takeBucket(this.ranks.take(), base);
        if (top > base) atWork.push({ rank: lowest, base });
      } else if (current) {
        const symbol = ready[--top]!;
        if (top === current.base) atWork.pop();
        if (this.rankOf(symbol) === current.rank) this.mergeAt(symbol);
      } else return;
    }
  }

  /** Moves a bucket to `ready` from `base` on, rightmost pair first; returns the new top. */
  private takeBucket(rank: number, base: number): number {
    const { ready, bucketNext, bucketPrevious } = this.symbols;
    let top = base;
    let isDescending = true;
    let last = this.symbols.capacity;
    for (let symbol = this.buckets[rank]!; symbol !== none; symbol = bucketNext[symbol]!) {
      if (symbol > last) isDescending = false;
      last = symbol;
      bucketPrevious[symbol] = unlisted;
      ready[top++] = symbol;
    }
    this.buckets[rank] = none;
    if (!isDescending) ready.subarray(base, top).sort().reverse();
    return top;
  }

  private mergeAt(symbol: number): void {
    const { ids, previous, next, pairSlots } = this.symbols;
    const swallowed = next[symbol]!;
    const after = next[swallowed]!;
    const before = previous[symbol]!;
    ids[symbol] = this.table.words[pairSlots[symbol]! + idWord]!;
    this.unlist(swallowed);
    next[symbol] = after;
    if (after !== none) previous[after] = symbol;
    this.list(symbol);
    if (before === none) return;
    this.unlist(before);
    this.list(before);
  }

  /** Finds out whether a symbol, in no bucket now, merges with its right neighbour, and puts the pair in its bucket. */
  private list(symbol: number): void {
    const { ids, next, pairSlots, bucketNext, bucketPrevious } = this.symbols;
    const right = next[symbol]!;
    const slot = right === none ? none : this.table.find(ids[symbol]!, ids[right]!);
    pairSlots[symbol] = slot;
    bucketPrevious[symbol] = unlisted;
    if (slot === none) return;
    const rank = this.table.words[slot + rankWord]!;
    const head = this.buckets[rank]!;
    if (head === none) this.ranks.add(rank);
    else bucketPrevious[head] = symbol;
    bucketNext[symbol] = head;
    bucketPrevious[symbol] = none;
    this.buckets[rank] = symbol;
  }

  /** Takes the pair that begins at a symbol out of its bucket, if it is in one, and forgets it. */
  private unlist(symbol: number): void {
    const { pairSlots, bucketNext, bucketPrevious } = this.symbols;
    const before = bucketPrevious[symbol]!;
    if (before !== unlisted) {
      const after = bucketNext[symbol]!;
      if (after !== none) bucketPrevious[after] = before;
      if (before === none) this.buckets[this.rankOf(symbol)] = after;
      else bucketNext[before] = after;
      bucketPrevious[symbol] = unlisted;
    }
    pairSlots[symbol] = none;
  }

  private rankOf(symbol: number): number {
    const slot = this.symbols.pairSlots[symbol]!;
    return slot === none ? none : this.table.words[slot + rankWord]!;
  }
}
