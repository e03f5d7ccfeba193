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

/** Prefixes that outlive the process. */
export interface PrefixStore {
  /** A sequence that holds exactly these tokens, or undefined. */
  load(tokens: Uint32Array): Promise<NativeSequence | undefined>;
  /** Never rejects. */
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

/** A prefix that is being computed. */
interface Pending {
  /** Passes that it took: 0 where the prefix was in the store. */
  readonly done: Promise<number>;
  readonly stop: () => void;
  /** Leases that wait for it. */
  waiters: number;
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
    if (!this.keeps(prefix.length)) return { sequence: this.#model.createSequence(), cachedTokens: 0, passes: 0 };
    const key = prefix.join();
    let passes = 0;
    for (;;) {
      signal?.throwIfAborted();
      const known = this.#entries.get(key);
      if (known) {
        this.#entries.delete(key);
        this.#entries.set(key, known);
        const sequence = known.sequence.fork(prefix.length);
        return { sequence, cachedTokens: passes === 0 ? prefix.length : 0, passes };
      }
      // What another lease computes costs this one nothing. After the wait the prefix is there, or pushed out again.
      const others = this.#pending.get(key);
      const taken = await join(others ?? this.#begin(key, prefix), signal);
      if (!others) passes += taken;
    }
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
    const done = this.#make(key, prefix, controller.signal).finally(forget);
    const pending: Pending = {
      done,
      waiters: 0,
      stop: () => {
        // At once, so that a lease that comes now does not wait for what has been given up.
        forget();
        controller.abort();
      },
    };
    this.#pending.set(key, pending);
    return pending;
  }

  /** Loads or computes a prefix and keeps it; gives the passes that it took. */
  async #make(key: string, prefix: Uint32Array, signal: AbortSignal): Promise<number> {
    const stored = await this.#store?.load(prefix);
    const sequence = stored ?? this.#model.createSequence();
    let passes = 0;
    try {
      if (!stored) passes = await this.#prefill(sequence, prefix, signal);
      signal.throwIfAborted();
    } catch (error) {
      sequence.dispose();
      throw error;
    }
    this.#keep(key, sequence, prefix.length * this.#model.kvBytesPerToken);
    if (!stored) this.#remember(prefix, sequence);
    return passes;
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
      void this.#store.save(prefix, sequence.exportKv());
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

/** Waits for a prefix, at most until the signal fires; the last one that gives up stops its computation. */
function join(pending: Pending, signal: AbortSignal | undefined): Promise<number> {
  pending.waiters++;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      if (--pending.waiters === 0) pending.stop();
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', onAbort);
    void pending.done.then(resolve, reject).finally(() => signal?.removeEventListener('abort', onAbort));
  });
}
