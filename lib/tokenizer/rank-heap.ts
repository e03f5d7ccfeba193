// SPDX-License-Identifier: Apache-2.0
// A binary heap of ranks, lowest first. A rank may be in it more than once.

export class RankHeap {
  private readonly items: number[] = [];

  lowest(): number | undefined {
    return this.items[0];
  }

  add(rank: number): void {
    const { items } = this;
    let at = items.length;
    items.push(rank);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (items[parent]! <= rank) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = rank;
  }

  /** Removes and returns the lowest; the heap must not be empty. */
  take(): number {
    const { items } = this;
    const lowest = items[0]!;
    const last = items.pop()!;
    if (items.length > 0) this.sink(last);
    return lowest;
  }

  private sink(rank: number): void {
    const { items } = this;
    let at = 0;
    for (let child = 1; child < items.length; child = 2 * at + 1) {
      if (child + 1 < items.length && items[child + 1]! < items[child]!) child++;
      if (items[child]! >= rank) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = rank;
  }
}
