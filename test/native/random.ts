// SPDX-License-Identifier: Apache-2.0
// Repeatable operands: every case draws from a generator that is seeded with its own label, so that a failure's label
// is all that it takes to see it again.

export class Random {
  private state: number;

  constructor(label: string) {
    this.state = 0x811c9dc5; // FNV-1a
    for (const char of label) this.state = Math.imul(this.state ^ char.charCodeAt(0), 0x01000193) >>> 0;
  }

  /** A whole number below 2^32 (the generator known as mulberry32). */
  word(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** Uniform in [low, high). */
  real(low: number, high: number): number {
    return low + ((high - low) * this.word()) / 2 ** 32;
  }

  /** A whole number of low..high. */
  integer(low: number, high: number): number {
    return low + (this.word() % (high - low + 1));
  }

  pick<T>(values: readonly T[]): T {
    return values[this.word() % values.length]!;
  }

  reals(count: number, low: number, high: number): Float32Array {
    return Float32Array.from({ length: count }, () => this.real(low, high));
  }
}
