// SPDX-License-Identifier: Apache-2.0
// The prefix cache before a store: what comes from there, what goes there, and that its failures change no answer.

import { expect } from 'chai';

import type { PrefixStore } from '../../lib/kv-cache/prefix-cache.js';
import type { NativeModel, NativeSequence } from '../../lib/native/addon.js';
import { HeldPrefixes, prefix, tokensOf, turn } from './held-prefixes.js';

/** A store whose answers the test makes up. */
class Store implements PrefixStore {
  readonly saved: (readonly number[])[] = [];
  readonly #model: NativeModel;
  stored = false;
  failing = false;
  /** Loading waits for this. */
  gate: Promise<void> = Promise.resolve();

  constructor(model: NativeModel) {
    this.#model = model;
  }

  async load(tokens: Uint32Array): Promise<NativeSequence | undefined> {
    await this.gate;
    if (this.failing) throw new Error('the disk is gone');
    if (!this.stored) return undefined;
    const sequence = this.#model.createSequence();
    tokensOf(sequence).push(...tokens);
    return sequence;
  }

  save(tokens: Uint32Array): Promise<void> {
    this.saved.push([...tokens]);
    return this.failing ? Promise.reject(new Error('the disk is full')) : Promise.resolve();
  }
}

async function withStore(): Promise<{ prefixes: HeldPrefixes; store: Store }> {
  let store: Store | undefined;
  const prefixes = await HeldPrefixes.create({}, (model) => (store = new Store(model)));
  return { prefixes, store: store! };
}

describe('the prefix cache with a store', () => {
  it('takes a prefix from it, which costs no pass, for all that wait', async () => {
    const { prefixes, store } = await withStore();
    store.stored = true;
    const held = [prefixes.ask(prefix(1)), prefixes.ask(prefix(1))];
    await turn();
    expect(held.map(({ lease }) => [lease?.passes, lease?.cachedTokens])).to.deep.equal([[0, 3], [0, 3]]);
    expect([prefixes.begun.length, store.saved.length, prefixes.addon.liveSequences]).to.deep.equal([0, 0, 3]);
  });

  it('saves what it computed, once', async () => {
    const { prefixes, store } = await withStore();
    await prefixes.keep(prefix(1));
    expect(await prefixes.keeps(prefix(1))).to.equal(true);
    expect(store.saved).to.deep.equal([[1, 2, 3]]);
  });

  it('that fails, answers as without it', async () => {
    const { prefixes, store } = await withStore();
    store.failing = true;
    const held = prefixes.ask(prefix(1));
    await turn();
    await prefixes.begun[0]?.finish();
    expect(held.lease?.passes).to.equal(1);
    expect(store.saved).to.have.lengthOf(1);
    expect(prefixes.cache.entries).to.equal(1);
  });

  it('and no memory for the copy, answers all the same', async () => {
    const { prefixes, store } = await withStore();
    const held = prefixes.ask(prefix(1));
    await turn();
    prefixes.begun[0]!.sequence.exportKv = () => {
      throw new Error('no memory');
    };
    await prefixes.begun[0]?.finish();
    expect(held.lease?.passes).to.equal(1);
    expect(store.saved).to.have.lengthOf(0);
    expect(prefixes.cache.entries).to.equal(1);
  });

  it('disposes what it loads for a lease that has given up meanwhile, or computes nothing', async () => {
    for (const stored of [true, false]) {
      const { prefixes, store } = await withStore();
      store.stored = stored;
      let open = (): void => undefined;
      store.gate = new Promise((resolve) => (open = resolve));
      const controller = new AbortController();
      const held = prefixes.ask(prefix(1), controller.signal);
      await turn();
      controller.abort();
      open();
      await turn();
      expect(held.error).not.to.equal(undefined);
      expect([prefixes.cache.entries, prefixes.addon.liveSequences], String(stored)).to.deep.equal([0, 0]);
    }
  });
});
