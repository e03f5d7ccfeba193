// SPDX-License-Identifier: Apache-2.0
// A prefix cache over the fake addon, whose computations the test ends when it likes.

import { PrefixCache, type PrefixCacheLimits, type PrefixLease, type PrefixStore } from '../../lib/kv-cache/prefix-cache.js';
import type { ModelSpec, NativeModel, NativeSequence } from '../../lib/native/addon.js';
import { FakeAddon } from '../support/fake-addon.js';

/** A computation that has begun. */
export interface Computation {
  readonly sequence: NativeSequence;
  readonly tokens: readonly number[];
  readonly signal: AbortSignal;
  /** Fills the sequence. */
  finish(passes?: number): Promise<void>;
  fail(error: Error): Promise<void>;
}

/** What the test looks at of a lease. */
export interface Held {
  lease?: PrefixLease;
  error?: unknown;
}

/** Of the fake addon. */
export const bytesPerToken = 10;

export const prefix = (first: number, length = 3): Uint32Array => Uint32Array.from({ length }, (_, i) => first + i);

export async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

export function tokensOf(sequence: NativeSequence): number[] {
  return (sequence as unknown as { tokens: number[] }).tokens;
}

export class HeldPrefixes {
  readonly addon: FakeAddon;
  readonly begun: Computation[] = [];
  readonly model: NativeModel;
  readonly cache: PrefixCache;

  private constructor(addon: FakeAddon, model: NativeModel, limits: Partial<PrefixCacheLimits>, store?: PrefixStore) {
    this.addon = addon;
    this.model = model;
    const all = { entries: 4, bytes: 1000, ...limits };
    this.cache = new PrefixCache(model, all, (sequence, tokens, signal) => this.#compute(sequence, tokens, signal), store);
  }

  static async create(limits: Partial<PrefixCacheLimits> = {}, storeOver?: (model: NativeModel) => PrefixStore): Promise<HeldPrefixes> {
    const addon = new FakeAddon();
    const model = await addon.loadModel({ dims: { labels: 2 } } as ModelSpec, { threads: 1, isa: '' });
    return new HeldPrefixes(addon, model, limits, storeOver?.(model));
  }

  /** Asks for a lease; what became of it appears in the answer. */
  ask(tokens: Uint32Array, signal?: AbortSignal): Held {
    const held: Held = {};
    this.cache.acquire(tokens, signal).then(
      (lease) => (held.lease = lease),
      (error: unknown) => (held.error = error),
    );
    return held;
  }

  /** A prefix that is kept from here on. */
  async keep(tokens: Uint32Array): Promise<void> {
    const held = this.ask(tokens);
    await turn();
    await this.begun.at(-1)?.finish();
    held.lease?.sequence.dispose();
  }

  /** Whether a prefix is kept: asking for it takes no computation. Counts as use. */
  async keeps(tokens: Uint32Array): Promise<boolean> {
    const controller = new AbortController();
    const held = this.ask(tokens, controller.signal);
    await turn();
    controller.abort();
    held.lease?.sequence.dispose();
    await turn();
    return held.lease !== undefined;
  }

  #compute(sequence: NativeSequence, tokens: Uint32Array, signal: AbortSignal): Promise<number> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      signal.addEventListener('abort', () => reject(signal.reason));
      const finish = (passes = 1): Promise<void> => {
        tokensOf(sequence).push(...tokens);
        resolve(passes);
        return turn();
      };
      const fail = (error: Error): Promise<void> => {
        reject(error);
        return turn();
      };
      this.begun.push({ sequence, tokens: [...tokens], signal, finish, fail });
    });
  }
}
