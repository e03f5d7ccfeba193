// SPDX-License-Identifier: Apache-2.0
// Policy prefixes that calls share: one computation for all that want it at once, who pays, who may give up, what is
// pushed out, and that nothing is left behind. The test ends each computation when it likes.

import { expect } from 'chai';

import { PrefixCache, type PrefixCacheLimits, type PrefixLease, type PrefixStore } from '../../lib/kv-cache/prefix-cache.js';
import type { ModelSpec, NativeModel, NativeSequence } from '../../lib/native/addon.js';
import { FakeAddon } from '../support/fake-addon.js';

/** A computation that has begun. */
interface Computation {
  readonly sequence: NativeSequence;
  readonly tokens: readonly number[];
  readonly signal: AbortSignal;
  /** Fills the sequence. */
  finish(passes?: number): Promise<void>;
  fail(error: Error): Promise<void>;
}

/** What the test looks at of a lease. */
interface Held {
  lease?: PrefixLease;
  error?: unknown;
}

const bytesPerToken = 10; // of the fake addon
const prefix = (first: number, length = 3): Uint32Array => Uint32Array.from({ length }, (_, i) => first + i);

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

function tokensOf(sequence: NativeSequence): number[] {
  return (sequence as unknown as { tokens: number[] }).tokens;
}

class Bench {
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

  static async create(limits: Partial<PrefixCacheLimits> = {}, storeOver?: (model: NativeModel) => PrefixStore): Promise<Bench> {
    const addon = new FakeAddon();
    const model = await addon.loadModel({ dims: { labels: 2 } } as ModelSpec, { threads: 1, isa: '' });
    return new Bench(addon, model, limits, storeOver?.(model));
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

describe('the prefix cache', () => {
  it('computes a prefix once for all that want it at the same time, and the first one pays', async () => {
    const bench = await Bench.create();
    const held = [bench.ask(prefix(1)), bench.ask(prefix(1)), bench.ask(prefix(1))];
    await turn();
    expect(bench.begun.map(({ tokens }) => tokens)).to.deep.equal([[1, 2, 3]]);
    expect(held.every(({ lease }) => lease === undefined)).to.equal(true);
    await bench.begun[0]?.finish(2);
    expect(held.map(({ lease }) => [lease?.passes, lease?.cachedTokens])).to.deep.equal([[2, 0], [0, 3], [0, 3]]);
    for (const { lease } of held) expect(tokensOf(lease!.sequence)).to.deep.equal([1, 2, 3]);
    // Each its own, beside the one that is kept.
    expect(new Set(held.map(({ lease }) => lease?.sequence)).size).to.equal(3);
    expect(bench.addon.liveSequences).to.equal(4);
    const later = bench.ask(prefix(1));
    await turn();
    expect([later.lease?.passes, later.lease?.cachedTokens, bench.begun.length]).to.deep.equal([0, 3, 1]);
  });

  it('computes different prefixes side by side', async () => {
    const bench = await Bench.create();
    const [one, two] = [bench.ask(prefix(1)), bench.ask(prefix(2))];
    await turn();
    expect(bench.begun).to.have.lengthOf(2);
    await bench.begun[1]?.finish();
    expect([one.lease, two.lease && tokensOf(two.lease.sequence)]).to.deep.equal([undefined, [2, 3, 4]]);
    await bench.begun[0]?.finish();
    expect(one.lease && tokensOf(one.lease.sequence)).to.deep.equal([1, 2, 3]);
    expect([bench.cache.entries, bench.cache.bytes]).to.deep.equal([2, 6 * bytesPerToken]);
  });

  it('keeps what one lease changes away from the others', async () => {
    const bench = await Bench.create();
    const [one, two] = [bench.ask(prefix(1)), bench.ask(prefix(1))];
    await turn();
    await bench.begun[0]?.finish();
    one.lease?.sequence.truncate(1);
    tokensOf(one.lease!.sequence).push(99);
    const third = bench.ask(prefix(1));
    await turn();
    for (const { lease } of [two, third]) expect(tokensOf(lease!.sequence)).to.deep.equal([1, 2, 3]);
  });

  it('fails for all that wait, keeps nothing, and tries again for the next one', async () => {
    const bench = await Bench.create();
    const held = [bench.ask(prefix(1)), bench.ask(prefix(1))];
    await turn();
    const error = new Error('no memory');
    await bench.begun[0]?.fail(error);
    expect(held.map((one) => one.error)).to.deep.equal([error, error]);
    expect([bench.cache.entries, bench.cache.bytes, bench.addon.liveSequences]).to.deep.equal([0, 0, 0]);
    const next = bench.ask(prefix(1));
    await turn();
    await bench.begun[1]?.finish();
    expect(next.lease?.passes).to.equal(1);
  });

  it('fails for the one alone that gets no sequence of its own', async () => {
    const bench = await Bench.create();
    const held = [bench.ask(prefix(1)), bench.ask(prefix(1)), bench.ask(prefix(1))];
    await turn();
    const error = new Error('no memory');
    const { sequence } = bench.begun[0]!;
    const fork = sequence.fork.bind(sequence);
    let forks = 0;
    sequence.fork = (length) => {
      if (forks++ === 1) throw error;
      return fork(length);
    };
    await bench.begun[0]?.finish();
    expect(held.map((one) => one.error)).to.deep.equal([undefined, error, undefined]);
    expect([bench.cache.entries, bench.addon.liveSequences]).to.deep.equal([1, 3]);
  });

  it('keeps no prefix that is larger than its bytes, and none at all with 0 entries', async () => {
    for (const limits of [{ bytes: 3 * bytesPerToken - 1 }, { entries: 0 }]) {
      const bench = await Bench.create(limits);
      const lease = await bench.cache.acquire(prefix(1));
      expect([lease.sequence.length, lease.cachedTokens, lease.passes]).to.deep.equal([0, 0, 0]);
      expect([bench.begun.length, bench.cache.entries]).to.deep.equal([0, 0]);
      expect(bench.cache.keeps(2)).to.equal(limits.entries !== 0);
    }
  });

  describe('when a lease gives up', () => {
    it('that has begun the computation, goes on for those that wait', async () => {
      const bench = await Bench.create();
      const controller = new AbortController();
      const [initiator, joiner] = [bench.ask(prefix(1), controller.signal), bench.ask(prefix(1))];
      await turn();
      const reason = new Error('enough');
      controller.abort(reason);
      await turn();
      expect(initiator.error).to.equal(reason);
      expect(bench.begun[0]?.signal.aborted).to.equal(false);
      await bench.begun[0]?.finish();
      expect([joiner.lease?.passes, joiner.lease?.cachedTokens]).to.deep.equal([0, 3]);
      // The kept one and the joiner's.
      expect(bench.addon.liveSequences).to.equal(2);
    });

    it('that waits for another one, disturbs nobody', async () => {
      const bench = await Bench.create();
      const controller = new AbortController();
      const [initiator, joiner] = [bench.ask(prefix(1)), bench.ask(prefix(1), controller.signal)];
      await turn();
      controller.abort();
      await turn();
      expect(joiner.error).to.have.property('name', 'AbortError');
      await bench.begun[0]?.finish();
      expect(initiator.lease?.passes).to.equal(1);
      expect(bench.addon.liveSequences).to.equal(2);
    });

    it('as the last one, stops the computation and leaves nothing', async () => {
      const bench = await Bench.create();
      const controllers = [new AbortController(), new AbortController()];
      const held = controllers.map(({ signal }) => bench.ask(prefix(1), signal));
      await turn();
      for (const [i, controller] of controllers.entries()) {
        expect(bench.begun[0]?.signal.aborted).to.equal(false);
        controller.abort(new Error(`no ${i}`));
      }
      expect(bench.begun[0]?.signal.aborted).to.equal(true);
      await turn();
      expect(held.map(({ error }) => (error as Error).message)).to.deep.equal(['no 0', 'no 1']);
      expect([bench.cache.entries, bench.addon.liveSequences]).to.deep.equal([0, 0]);
    });

    it('and another comes in the same moment, computes anew for that one', async () => {
      const bench = await Bench.create();
      const controller = new AbortController();
      const gone = bench.ask(prefix(1), controller.signal);
      await turn();
      controller.abort();
      const next = bench.ask(prefix(1));
      await turn();
      expect(gone.error).not.to.equal(undefined);
      expect(bench.begun).to.have.lengthOf(2);
      expect(bench.begun[1]?.signal.aborted).to.equal(false);
      // Whoever comes now shares the second one.
      const joiner = bench.ask(prefix(1));
      await turn();
      await bench.begun[1]?.finish();
      expect([next.lease?.passes, joiner.lease?.passes, bench.begun.length]).to.deep.equal([1, 0, 2]);
      expect(bench.addon.liveSequences).to.equal(3);
    });

    it('after the prefix was computed and before it was told, leaves nothing, and a new one is not confused with it', async () => {
      const bench = await Bench.create();
      const controller = new AbortController();
      const gone = bench.ask(prefix(1), controller.signal);
      await turn();
      const finished = bench.begun[0]?.finish();
      controller.abort();
      const next = bench.ask(prefix(1));
      await finished;
      await bench.begun[1]?.finish();
      expect([gone.lease, next.lease?.passes]).to.deep.equal([undefined, 1]);
      expect([bench.cache.entries, bench.cache.bytes, bench.addon.liveSequences]).to.deep.equal([1, 3 * bytesPerToken, 2]);
    });

    it('before it asks, begins nothing', async () => {
      const bench = await Bench.create();
      const held = bench.ask(prefix(1), AbortSignal.abort(new Error('early')));
      await turn();
      expect((held.error as Error).message).to.equal('early');
      expect(bench.begun).to.have.lengthOf(0);
    });
  });

  describe('with little room', () => {
    it('pushes out the least recently used one', async () => {
      const bench = await Bench.create({ entries: 2 });
      await bench.keep(prefix(1));
      await bench.keep(prefix(2));
      expect(await bench.keeps(prefix(1))).to.equal(true);
      await bench.keep(prefix(3));
      expect(await bench.keeps(prefix(2))).to.equal(false);
      expect(await bench.keeps(prefix(1))).to.equal(true);
      expect([bench.cache.entries, bench.addon.liveSequences]).to.deep.equal([2, 2]);
    });

    it('pushes out as many as the bytes of a larger one take', async () => {
      const bench = await Bench.create({ bytes: 10 * bytesPerToken });
      for (const first of [1, 2, 3]) await bench.keep(prefix(first));
      expect(bench.cache.bytes).to.equal(9 * bytesPerToken);
      await bench.keep(prefix(4, 6));
      expect([bench.cache.entries, bench.cache.bytes]).to.deep.equal([2, 9 * bytesPerToken]);
      expect(await bench.keeps(prefix(3))).to.equal(true);
      await bench.keep(prefix(5, 10));
      expect([bench.cache.entries, bench.cache.bytes, bench.addon.liveSequences]).to.deep.equal([1, 10 * bytesPerToken, 1]);
    });

    it('gives every lease its prefix although another one pushes it out in the same moment', async () => {
      const bench = await Bench.create({ entries: 1 });
      const held = [1, 2, 3].map((first) => [bench.ask(prefix(first)), bench.ask(prefix(first))]);
      await turn();
      // As after a pass that all of them shared.
      await Promise.all(bench.begun.map((computation) => computation.finish()));
      for (const [i, [initiator, joiner]] of held.entries()) {
        expect([initiator?.lease?.passes, joiner?.lease?.passes]).to.deep.equal([1, 0]);
        for (const one of [initiator, joiner]) expect(tokensOf(one!.lease!.sequence)).to.deep.equal([...prefix(i + 1)]);
      }
      expect(bench.begun).to.have.lengthOf(3);
      expect([bench.cache.entries, bench.addon.liveSequences]).to.deep.equal([1, 7]);
    });

    it('leaves sequences alone that were handed out', async () => {
      const bench = await Bench.create();
      const held = bench.ask(prefix(1));
      await turn();
      await bench.begun[0]?.finish();
      bench.cache.clear();
      expect([bench.cache.entries, bench.cache.bytes, bench.addon.liveSequences]).to.deep.equal([0, 0, 1]);
      expect(held.lease?.sequence.length).to.equal(3);
    });
  });

  describe('with a store', () => {
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

    async function withStore(limits: Partial<PrefixCacheLimits> = {}): Promise<{ bench: Bench; store: Store }> {
      let store: Store | undefined;
      const bench = await Bench.create(limits, (model) => (store = new Store(model)));
      return { bench, store: store! };
    }

    it('takes a prefix from it, which costs no pass, for all that wait', async () => {
      const { bench, store } = await withStore();
      store.stored = true;
      const held = [bench.ask(prefix(1)), bench.ask(prefix(1))];
      await turn();
      expect(held.map(({ lease }) => [lease?.passes, lease?.cachedTokens])).to.deep.equal([[0, 3], [0, 3]]);
      expect([bench.begun.length, store.saved.length, bench.addon.liveSequences]).to.deep.equal([0, 0, 3]);
    });

    it('saves what it computed, once', async () => {
      const { bench, store } = await withStore();
      await bench.keep(prefix(1));
      expect(await bench.keeps(prefix(1))).to.equal(true);
      expect(store.saved).to.deep.equal([[1, 2, 3]]);
    });

    it('that fails, answers as without it', async () => {
      const { bench, store } = await withStore();
      store.failing = true;
      const held = bench.ask(prefix(1));
      await turn();
      await bench.begun[0]?.finish();
      expect(held.lease?.passes).to.equal(1);
      expect(store.saved).to.have.lengthOf(1);
      expect(bench.cache.entries).to.equal(1);
    });

    it('and no memory for the copy, answers all the same', async () => {
      const { bench, store } = await withStore();
      const held = bench.ask(prefix(1));
      await turn();
      bench.begun[0]!.sequence.exportKv = () => {
        throw new Error('no memory');
      };
      await bench.begun[0]?.finish();
      expect(held.lease?.passes).to.equal(1);
      expect(store.saved).to.have.lengthOf(0);
      expect(bench.cache.entries).to.equal(1);
    });

    it('disposes what it loads for a lease that has given up meanwhile, or computes nothing', async () => {
      for (const stored of [true, false]) {
        const { bench, store } = await withStore();
        store.stored = stored;
        let open = (): void => undefined;
        store.gate = new Promise((resolve) => (open = resolve));
        const controller = new AbortController();
        const held = bench.ask(prefix(1), controller.signal);
        await turn();
        controller.abort();
        open();
        await turn();
        expect(held.error).not.to.equal(undefined);
        expect([bench.cache.entries, bench.addon.liveSequences], String(stored)).to.deep.equal([0, 0]);
      }
    });
  });
});
