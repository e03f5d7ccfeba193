// SPDX-License-Identifier: Apache-2.0
// What the two hash tables of a tokenizer share: linear probing in a power of two of slots, with a bound on the probes
// that both the builder and the look-ups keep. So a damaged table costs time, but never an endless loop.

import { badTokenizer } from './bad-tokenizer.js';

/** Slots that a look-up visits at most; at two thirds full, good hashes need about 60 for 300,000 entries. */
export const maxProbes = 256;

const maxSlots = 2 ** 24;

/**
 * Builds a table in the smallest power of two of slots that is at most two thirds full and keeps the bound on probes.
 * @param place builds it with so many slots, or returns undefined where an entry would need more probes
 */
export function buildTable(entries: number, place: (slots: number) => Uint32Array | undefined): Uint32Array {
  let slots = 1;
  while (slots < entries * 1.5) slots *= 2;
  for (; slots <= maxSlots; slots *= 2) {
    const table = place(slots);
    if (table) return table;
  }
  throw badTokenizer('it has too many tokens or merges, or they are made so that their hashes collide');
}

export function isPowerOfTwo(size: number): boolean {
  return size > 0 && (size & (size - 1)) === 0;
}
