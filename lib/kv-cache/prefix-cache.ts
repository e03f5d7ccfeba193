// SPDX-License-Identifier: Apache-2.0
// Keys and values of policy prefixes, each computed once and shared by the calls that begin with it: least recently
// used first out, bounded in entries and in bytes. Calls that want the same prefix at once share one computation.

import type { NativeModel, NativeSequence } from '../native/addon.js';

export interface PrefixCacheLimits {
  /** Prefixes kept; 0 keeps none. */
  readonly entries: number;
  /** KV bytes kept, all prefixes together. */
  readonly bytes: number;
}

/** Appends tokens to a sequence and says in how many passes; rejects when a pass failed or the signal fired. */
export type Prefill = (sequence: NativeSequence, tokens: Uint32Array, signal: AbortSignal) => Promise<number>;

/** Prefixes that outlive the process. Where it fails, prefixes are computed as without it. */
export interface PrefixStore {
  /** A sequence that holds exactly these tokens, or undefined. */
  load(tokens: Uint32Array): Promise<NativeSequence | undefined>;
  save(tokens: Uint32Array, kv: Uint8Array): Promise<void>;
}

export interface PrefixLease {
  /** Holds exactly the prefix, or nothing where prefixes are not kept; whoever acquired it disposes it. */
  readonly sequence: NativeSequence;
  /** Tokens that did not have to be computed for this lease: all of the prefix, or none. */
  readonly cachedTokens: number;
  /** Passes that ran for this lease. */
  readonly passes: number;
}

interface Entry {
  readonly sequence: NativeSequence;
  readonly bytes: number;
}

/** A lease that waits for its prefix. */
interface Waiter {
  /** Forks the sequence. */
  readonly take: (sequence: NativeSequence, passes: number) => void;
  readonly fail: (error: unknown) => void;
}

/** A prefix that is being loaded or computed. */
interface Pending {
  readonly waiters: Set<Waiter>;
  /** Gives the computation up. */
  readonly stop: () => void;
}

/** A prefix that is there. */
interface Made {
  readonly sequence: NativeSequence;
  /** Passes that it took: 0 where it was in the store. */
  readonly passes: number;
}

export class PrefixCache {
  readonly #model: Pick<NativeModel, 'createSequence' | 'kvBytesPerToken'>;
  readonly #limits: PrefixCacheLimits;
  readonly #prefill: Prefill;
  readonly #store: PrefixStore | undefined;
  /** In order of use, the oldest first; the key is the exact list of token ids. */
  readonly #entries = new Map<string, Entry>();
  readonly #pending = new Map<string, Pending>();
  #bytes = 0;

  constructor(
    model: Pick<NativeModel, 'createSequence' | 'kvBytesPerToken'>,
    limits: PrefixCacheLimits,
    prefill: Prefill,
    store?: PrefixStore,
  ) {
    this.#model = model;
    this.#limits = limits;
    this.#prefill = prefill;
    this.#store = store;
  }

  get entries(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether a prefix of this many tokens is kept at all. */
  keeps(tokens: number): boolean {
    return this.#limits.entries > 0 && tokens * this.#model.kvBytesPerToken <= this.#limits.bytes;
  }

  /** A lease of `prefix`. Failure keeps nothing; rejects with the signal's reason when it fires. */
  async acquire(prefix: Uint32Array, signal?: AbortSignal): Promise<PrefixLease> {
    signal?.throwIfAborted();
    if (!this.keeps(prefix.length)) return { sequence: this.#model.createSequence(), cachedTokens: 0, passes: 0 };
    const key = prefix.join();
    const known = this.#entries.get(key);
    if (known) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return { sequence: known.sequence.fork(prefix.length), cachedTokens: prefix.length, passes: 0 };
    }
    const others = this.#pending.get(key);
    const made = await join(others ?? this.#begin(key, prefix), signal);
    // What another lease computes costs this one nothing.
    const passes = others ? 0 : made.passes;
    return { sequence: made.sequence, cachedTokens: passes === 0 ? prefix.length : 0, passes };
  }

  /** Forgets everything. Sequences that were handed out live on. */
  clear(): void {
    for (const key of [...this.#entries.keys()]) this.#drop(key);
  }

  #begin(key: string, prefix: Uint32Array): Pending {
    const controller = new AbortController();
    const forget = (): void => {
      if (this.#pending.get(key) === pending) this.#pending.delete(key);
    };
    const pending: Pending = {
      waiters: new Set(),
      stop: () => {
        // At once, so that a lease that comes now does not wait for what has been given up.
        forget();
        controller.abort();
      },
    };
    this.#pending.set(key, pending);
    void this.#make(prefix, controller.signal).then(
      ({ sequence, passes }) => {
        if (pending.waiters.size === 0) return sequence.dispose();
        forget();
        this.#keep(key, sequence, prefix.length * this.#model.kvBytesPerToken);
        // In the same step: whatever is kept next may push this one out.
        for (const waiter of pending.waiters) waiter.take(sequence, passes);
        if (passes > 0) this.#remember(prefix, sequence);
      },
      (error: unknown) => {
        forget();
        for (const waiter of pending.waiters) waiter.fail(error);
      },
    );
    return pending;
  }

  async #make(prefix: Uint32Array, signal: AbortSignal): Promise<Made> {
    const stored = await this.#stored(prefix);
    const sequence = stored ?? this.#model.createSequence();
    try {
      return { sequence, passes: stored ? 0 : await this.#prefill(sequence, prefix, signal) };
    } catch (error) {
      sequence.dispose();
      throw error;
    }
  }

  async #stored(prefix: Uint32Array): Promise<NativeSequence | undefined> {
    try {
      return await this.#store?.load(prefix);
    } catch {
      return undefined;
    }
  }

  #keep(key: string, sequence: NativeSequence, bytes: number): void {
    for (const oldest of [...this.#entries.keys()]) {
      const full = this.#entries.size >= this.#limits.entries || this.#bytes + bytes > this.#limits.bytes;
      if (full) this.#drop(oldest);
    }
    this.#entries.set(key, { sequence, bytes });
    this.#bytes += bytes;
  }

  #remember(prefix: Uint32Array, sequence: NativeSequence): void {
    if (!this.#store) return;
    try {
      this.#store.save(prefix, sequence.exportKv()).catch(() => undefined);
    } catch {
      // No memory for the copy: the next process computes the prefix again, and this call has its answer.
    }
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
    entry.sequence.dispose();
  }
}

/**
 * Waits for a fork of a prefix, at most until the signal fires; the last one that gives up stops the computation.
 *
 * @returns the fork, and the passes that the prefix took
 */
function join(pending: Pending, signal: AbortSignal | undefined): Promise<Made> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      pending.waiters.delete(waiter);
      signal?.removeEventListener('abort', onAbort);
    };
    const onAbort = (): void => {
      leave();
      if (pending.waiters.size === 0) pending.stop();
      reject(signal?.reason);
    };
    const waiter: Waiter = {
      take: (sequence, passes) => {
        leave();
        try {
          resolve({ sequence: sequence.fork(sequence.length), passes });
        } catch (error) {
          reject(error);
        }
      },
      fail: (error) => {
        leave();
        reject(error);
      },
    };
    signal?.addEventListener('abort', onAbort);
    pending.waiters.add(waiter);
  });
}
