// SPDX-License-Identifier: Apache-2.0
// Numbers that look random and depend on a seed alone: the small fast counter generator (sfc32), whose state is four
// 32-bit words. Good enough for made-up weights; not for secrets.

/** Rounds after which the seed has reached every bit of the state. */
const warmUpRounds = 16;

export class SeededRandom {
  private a = 0;
  private b = 0;
  private c: number;
  private counter = 1;

  /** @param seed a whole number from 0 to 2^32 - 1 */
  constructor(seed: number) {
    this.c = seed | 0;
    for (let i = 0; i < warmUpRounds; i++) this.word();
  }

  /** 32 random bits, as a whole number that may be negative. */
  word(): number {
    const sum = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return sum;
  }

  /** From 1 - spread to 1 + spread. */
  around1(spread: number): number {
    return 1 + (spread * this.word()) / 2 ** 31;
  }
}
