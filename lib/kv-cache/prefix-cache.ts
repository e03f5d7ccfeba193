// SPDX-License-Identifier: Apache-2.0
// Keys and values of policy prefixes, each computed once and shared by the calls that begin with it: least recently
// used first out, bounded in entries and in bytes. Used by one call at a time (the facade queues them).

import type { NativeModel, NativeSequence } from '../native/addon.js';

export interface PrefixCacheLimits {
  /** Prefixes kept; 0 keeps none. */
  readonly entries: number;
  /** KV bytes kept, all prefixes together. */
  readonly bytes: number;
}

/** Appends tokens to a sequence; rejects when the pass failed. */
export type Prefill = (sequence: NativeSequence, tokens: Uint32Array) => Promise<void>;

export interface PrefixLease {
  /** Holds exactly the prefix; whoever acquired it disposes it. */
  readonly sequence: NativeSequence;
  /** Tokens that did not have to be computed: all of the prefix, or none. */
  readonly cachedTokens: number;
}

interface Entry {
  readonly sequence: NativeSequence;
  readonly bytes: number;
}

export class PrefixCache {
  readonly #model: NativeModel;
  readonly #limits: PrefixCacheLimits;
  /** In order of use, the oldest first; the key is the exact list of token ids. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(model: NativeModel, limits: PrefixCacheLimits) {
    this.#model = model;
    this.#limits = limits;
  }

  get entries(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A sequence that holds `prefix`: shared where it is kept, else computed by `prefill`. Failure keeps nothing. */
  async acquire(prefix: Uint32Array, prefill: Prefill): Promise<PrefixLease> {
    const key = prefix.join();
    const known = this.#entries.get(key);
    if (known) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return { sequence: known.sequence.fork(prefix.length), cachedTokens: prefix.length };
    }
    const sequence = await this.#compute(prefix, prefill);
    const bytes = prefix.length * this.#model.kvBytesPerToken;
    if (this.#limits.entries === 0 || bytes > this.#limits.bytes) return { sequence, cachedTokens: 0 };
    return { sequence: this.#keep(key, sequence, bytes).fork(prefix.length), cachedTokens: 0 };
  }

  /** Forgets everything. Sequences that were handed out live on. */
  clear(): void {
    for (const key of [...this.#entries.keys()]) this.#drop(key);
  }

  async #compute(prefix: Uint32Array, prefill: Prefill): Promise<NativeSequence> {
    const sequence = this.#model.createSequence();
    try {
      await prefill(sequence, prefix);
      return sequence;
    } catch (error) {
      sequence.dispose();
      throw error;
    }
  }

  #keep(key: string, sequence: NativeSequence, bytes: number): NativeSequence {
    for (const oldest of [...this.#entries.keys()]) {
      const full = this.#entries.size >= this.#limits.entries || this.#bytes + bytes > this.#limits.bytes;
      if (full) this.#drop(oldest);
    }
    this.#entries.set(key, { sequence, bytes });
    this.#bytes += bytes;
    return sequence;
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
    entry.sequence.dispose();
  }
}
