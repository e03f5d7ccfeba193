// SPDX-License-Identifier: Apache-2.0
// Both ways to merge a piece against the definition (the lowest rank first, the leftmost of equals), on random merge
// tables, among them such as no training would make: a merge of low rank that needs one of high rank, and circles.

import { expect } from 'chai';
import fc from 'fast-check';
import { LongMerger } from '../../lib/tokenizer/long-merge.js';
import { MergeTable } from '../../lib/tokenizer/merge-table.js';
import { ShortMerger, shortPieceBytes } from '../../lib/tokenizer/short-merge.js';

interface Merge {
  readonly left: number;
  readonly right: number;
  readonly rank: number;
  readonly id: number;
}

function mergeByDefinition(bytes: Uint8Array, merges: readonly Merge[]): number[] {
  const ids = Array.from(bytes);
  for (;;) {
    let best: { at: number; merge: Merge } | undefined;
    for (let at = 0; at + 1 < ids.length; at++) {
      const merge = merges.find(({ left, right }) => left === ids[at] && right === ids[at + 1]);
      if (merge && (!best || merge.rank < best.merge.rank)) best = { at, merge };
    }
    if (!best) return ids;
    ids.splice(best.at, 2, best.merge.id);
  }
}

const byteIds = Uint32Array.from({ length: 256 }, (_, byte) => byte);

/** Merges among a few ids: any of them may come of any pair, so there are circles, and ranks that say nothing of order. */
const merges = (ids: number, ranks: number): fc.Arbitrary<Merge[]> =>
  fc.uniqueArray(
    fc.record({ left: fc.nat(ids - 1), right: fc.nat(ids - 1), rank: fc.nat(ranks - 1), id: fc.nat(ids - 1) }),
    { minLength: 1, maxLength: ids * ids, selector: ({ left, right }) => `${left} ${right}` },
  );
const tables = fc.oneof(merges(3, 3), merges(5, 1), merges(5, 12), merges(9, 60));
const pieces = (maxLength: number): fc.Arbitrary<Uint8Array[]> =>
  fc.array(fc.uint8Array({ min: 0, max: 2, minLength: 1, maxLength }), { minLength: 1, maxLength: 4 });

function buildTable(list: readonly Merge[]): MergeTable {
  return MergeTable.build(Uint32Array.from(list.flatMap(({ left, right, rank, id }) => [left, right, rank, id])));
}

function checkMerger(Merger: typeof ShortMerger | typeof LongMerger, maxLength: number): void {
  fc.assert(
    fc.property(tables, pieces(maxLength), (list, samples) => {
      const merger = new Merger(buildTable(list), byteIds);
      for (const bytes of samples) {
        const out = new Uint32Array(bytes.length + 2).fill(999);
        const end = merger.merge(Uint8Array.of(7, ...bytes, 7), 1, bytes.length + 1, out, 1);
        expect(out.subarray(1, end).join()).to.equal(mergeByDefinition(bytes, list).join());
        expect([out[0], out[end]]).to.deep.equal([999, 999]);
      }
    }),
    { seed: 4_242, numRuns: 5_000 },
  );
}

describe('merges', () => {
  it('of short pieces follow the definition', () => checkMerger(ShortMerger, shortPieceBytes));

  it('of long pieces follow the definition', () => checkMerger(LongMerger, 150));

  it('of pieces beyond the kept scratch memory follow the definition', () => {
    const table = buildTable([
      { left: 0, right: 0, rank: 0, id: 3 }, { left: 3, right: 3, rank: 1, id: 4 }, { left: 4, right: 0, rank: 2, id: 5 },
    ]);
    const out = new Uint32Array(10_000);
    const merger = new LongMerger(table, byteIds);
    for (const length of [9_999, 4_096, 4_097, 4_099]) {
      const end = merger.merge(new Uint8Array(length), 0, length, out, 0);
      const fours = Math.floor(length / 4);
      const rest = { 0: [4], 1: [5], 2: [4, 3], 3: [4, 3, 0] }[length % 4 as 0 | 1 | 2 | 3];
      expect(Array.from(out.subarray(0, end))).to.deep.equal([...Array.from({ length: fours - 1 }, () => 4), ...rest]);
    }
  });
});
