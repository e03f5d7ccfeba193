// SPDX-License-Identifier: Apache-2.0
// Policy prefixes that calls share: one computation for all that want it at once, who pays, who may give up, what is
// pushed out, and that nothing is left behind. The test ends each computation when it likes.

import { expect } from 'chai';

import { bytesPerToken, HeldPrefixes, prefix, tokensOf, turn } from './held-prefixes.js';

describe('the prefix cache', () => {
  it('computes a prefix once for all that want it at the same time, and the first one pays', async () => {
    const prefixes = await HeldPrefixes.create();
    const held = [prefixes.ask(prefix(1)), prefixes.ask(prefix(1)), prefixes.ask(prefix(1))];
    await turn();
    expect(prefixes.begun.map(({ tokens }) => tokens)).to.deep.equal([[1, 2, 3]]);
    expect(held.every(({ lease }) => lease === undefined)).to.equal(true);
    await prefixes.begun[0]?.finish(2);
    expect(held.map(({ lease }) => [lease?.passes, lease?.cachedTokens])).to.deep.equal([[2, 0], [0, 3], [0, 3]]);
    for (const { lease } of held) expect(tokensOf(lease!.sequence)).to.deep.equal([1, 2, 3]);
    // Each its own, beside the one that is kept.
    expect(new Set(held.map(({ lease }) => lease?.sequence)).size).to.equal(3);
    expect(prefixes.addon.liveSequences).to.equal(4);
    const later = prefixes.ask(prefix(1));
    await turn();
    expect([later.lease?.passes, later.lease?.cachedTokens, prefixes.begun.length]).to.deep.equal([0, 3, 1]);
  });

  it('computes different prefixes side by side', async () => {
    const prefixes = await HeldPrefixes.create();
    const [one, two] = [prefixes.ask(prefix(1)), prefixes.ask(prefix(2))];
    await turn();
    expect(prefixes.begun).to.have.lengthOf(2);
    await prefixes.begun[1]?.finish();
    expect([one.lease, two.lease && tokensOf(two.lease.sequence)]).to.deep.equal([undefined, [2, 3, 4]]);
    await prefixes.begun[0]?.finish();
    expect(one.lease && tokensOf(one.lease.sequence)).to.deep.equal([1, 2, 3]);
    expect([prefixes.cache.entries, prefixes.cache.bytes]).to.deep.equal([2, 6 * bytesPerToken]);
  });

  it('keeps what one lease changes away from the others', async () => {
    const prefixes = await HeldPrefixes.create();
    const [one, two] = [prefixes.ask(prefix(1)), prefixes.ask(prefix(1))];
    await turn();
    await prefixes.begun[0]?.finish();
    one.lease?.sequence.truncate(1);
    tokensOf(one.lease!.sequence).push(99);
    const third = prefixes.ask(prefix(1));
    await turn();
    for (const { lease } of [two, third]) expect(tokensOf(lease!.sequence)).to.deep.equal([1, 2, 3]);
  });

  it('fails for all that wait, keeps nothing, and tries again for the next one', async () => {
    const prefixes = await HeldPrefixes.create();
    const held = [prefixes.ask(prefix(1)), prefixes.ask(prefix(1))];
    await turn();
    const error = new Error('no memory');
    await prefixes.begun[0]?.fail(error);
    expect(held.map((one) => one.error)).to.deep.equal([error, error]);
    expect([prefixes.cache.entries, prefixes.cache.bytes, prefixes.addon.liveSequences]).to.deep.equal([0, 0, 0]);
    const next = prefixes.ask(prefix(1));
    await turn();
    await prefixes.begun[1]?.finish();
    expect(next.lease?.passes).to.equal(1);
  });

  it('fails for the one alone that gets no sequence of its own', async () => {
    const prefixes = await HeldPrefixes.create();
    const held = [prefixes.ask(prefix(1)), prefixes.ask(prefix(1)), prefixes.ask(prefix(1))];
    await turn();
    const error = new Error('no memory');
    const { sequence } = prefixes.begun[0]!;
    const fork = sequence.fork.bind(sequence);
    let forks = 0;
    sequence.fork = (length) => {
      if (forks++ === 1) throw error;
      return fork(length);
    };
    await prefixes.begun[0]?.finish();
    expect(held.map((one) => one.error)).to.deep.equal([undefined, error, undefined]);
    expect([prefixes.cache.entries, prefixes.addon.liveSequences]).to.deep.equal([1, 3]);
  });

  it('keeps no prefix that is larger than its bytes, and none at all with 0 entries', async () => {
    for (const limits of [{ bytes: 3 * bytesPerToken - 1 }, { entries: 0 }]) {
      const prefixes = await HeldPrefixes.create(limits);
      const lease = await prefixes.cache.acquire(prefix(1));
      expect([lease.sequence.length, lease.cachedTokens, lease.passes]).to.deep.equal([0, 0, 0]);
      expect([prefixes.begun.length, prefixes.cache.entries]).to.deep.equal([0, 0]);
      expect(prefixes.cache.keeps(2)).to.equal(limits.entries !== 0);
    }
  });

  describe('when a lease gives up', () => {
    it('that has begun the computation, goes on for those that wait', async () => {
      const prefixes = await HeldPrefixes.create();
      const controller = new AbortController();
      const [initiator, joiner] = [prefixes.ask(prefix(1), controller.signal), prefixes.ask(prefix(1))];
      await turn();
      const reason = new Error('enough');
      controller.abort(reason);
      await turn();
      expect(initiator.error).to.equal(reason);
      expect(prefixes.begun[0]?.signal.aborted).to.equal(false);
      await prefixes.begun[0]?.finish();
      expect([joiner.lease?.passes, joiner.lease?.cachedTokens]).to.deep.equal([0, 3]);
      // The kept one and the joiner's.
      expect(prefixes.addon.liveSequences).to.equal(2);
    });

    it('that waits for another one, disturbs nobody', async () => {
      const prefixes = await HeldPrefixes.create();
      const controller = new AbortController();
      const [initiator, joiner] = [prefixes.ask(prefix(1)), prefixes.ask(prefix(1), controller.signal)];
      await turn();
      controller.abort();
      await turn();
      expect(joiner.error).to.have.property('name', 'AbortError');
      await prefixes.begun[0]?.finish();
      expect(initiator.lease?.passes).to.equal(1);
      expect(prefixes.addon.liveSequences).to.equal(2);
    });

    it('as the last one, stops the computation and leaves nothing', async () => {
      const prefixes = await HeldPrefixes.create();
      const controllers = [new AbortController(), new AbortController()];
      const held = controllers.map(({ signal }) => prefixes.ask(prefix(1), signal));
      await turn();
      for (const [i, controller] of controllers.entries()) {
        expect(prefixes.begun[0]?.signal.aborted).to.equal(false);
        controller.abort(new Error(`no ${i}`));
      }
      expect(prefixes.begun[0]?.signal.aborted).to.equal(true);
      await turn();
      expect(held.map(({ error }) => (error as Error).message)).to.deep.equal(['no 0', 'no 1']);
      expect([prefixes.cache.entries, prefixes.addon.liveSequences]).to.deep.equal([0, 0]);
    });

    it('and another comes in the same moment, computes anew for that one', async () => {
      const prefixes = await HeldPrefixes.create();
      const controller = new AbortController();
      const gone = prefixes.ask(prefix(1), controller.signal);
      await turn();
      controller.abort();
      const next = prefixes.ask(prefix(1));
      await turn();
      expect(gone.error).not.to.equal(undefined);
      expect(prefixes.begun).to.have.lengthOf(2);
      expect(prefixes.begun[1]?.signal.aborted).to.equal(false);
      // Whoever comes now shares the second one.
      const joiner = prefixes.ask(prefix(1));
      await turn();
      await prefixes.begun[1]?.finish();
      expect([next.lease?.passes, joiner.lease?.passes, prefixes.begun.length]).to.deep.equal([1, 0, 2]);
      expect(prefixes.addon.liveSequences).to.equal(3);
    });

    it('after the prefix was computed and before it was told, leaves nothing, and a new one is not confused with it', async () => {
      const prefixes = await HeldPrefixes.create();
      const controller = new AbortController();
      const gone = prefixes.ask(prefix(1), controller.signal);
      await turn();
      const finished = prefixes.begun[0]?.finish();
      controller.abort();
      const next = prefixes.ask(prefix(1));
      await finished;
      await prefixes.begun[1]?.finish();
      expect([gone.lease, next.lease?.passes]).to.deep.equal([undefined, 1]);
      expect([prefixes.cache.entries, prefixes.cache.bytes, prefixes.addon.liveSequences]).to.deep.equal([1, 3 * bytesPerToken, 2]);
    });

    it('before it asks, begins nothing', async () => {
      const prefixes = await HeldPrefixes.create();
      const held = prefixes.ask(prefix(1), AbortSignal.abort(new Error('early')));
      await turn();
      expect((held.error as Error).message).to.equal('early');
      expect(prefixes.begun).to.have.lengthOf(0);
    });
  });

  describe('with little room', () => {
    it('pushes out the least recently used one', async () => {
      const prefixes = await HeldPrefixes.create({ entries: 2 });
      await prefixes.keep(prefix(1));
      await prefixes.keep(prefix(2));
      expect(await prefixes.keeps(prefix(1))).to.equal(true);
      await prefixes.keep(prefix(3));
      expect(await prefixes.keeps(prefix(2))).to.equal(false);
      expect(await prefixes.keeps(prefix(1))).to.equal(true);
      expect([prefixes.cache.entries, prefixes.addon.liveSequences]).to.deep.equal([2, 2]);
    });

    it('pushes out as many as the bytes of a larger one take', async () => {
      const prefixes = await HeldPrefixes.create({ bytes: 10 * bytesPerToken });
      for (const first of [1, 2, 3]) await prefixes.keep(prefix(first));
      expect(prefixes.cache.bytes).to.equal(9 * bytesPerToken);
      await prefixes.keep(prefix(4, 6));
      expect([prefixes.cache.entries, prefixes.cache.bytes]).to.deep.equal([2, 9 * bytesPerToken]);
      expect(await prefixes.keeps(prefix(3))).to.equal(true);
      await prefixes.keep(prefix(5, 10));
      expect([prefixes.cache.entries, prefixes.cache.bytes, prefixes.addon.liveSequences]).to.deep.equal([1, 10 * bytesPerToken, 1]);
    });

    it('gives every lease its prefix although another one pushes it out in the same moment', async () => {
      const prefixes = await HeldPrefixes.create({ entries: 1 });
      const held = [1, 2, 3].map((first) => [prefixes.ask(prefix(first)), prefixes.ask(prefix(first))]);
      await turn();
      // As after a pass that all of them shared.
      await Promise.all(prefixes.begun.map((computation) => computation.finish()));
      for (const [i, [initiator, joiner]] of held.entries()) {
        expect([initiator?.lease?.passes, joiner?.lease?.passes]).to.deep.equal([1, 0]);
        for (const one of [initiator, joiner]) expect(tokensOf(one!.lease!.sequence)).to.deep.equal([...prefix(i + 1)]);
      }
      expect(prefixes.begun).to.have.lengthOf(3);
      expect([prefixes.cache.entries, prefixes.addon.liveSequences]).to.deep.equal([1, 7]);
    });

    it('leaves sequences alone that were handed out', async () => {
      const prefixes = await HeldPrefixes.create();
      const held = prefixes.ask(prefix(1));
      await turn();
      await prefixes.begun[0]?.finish();
      prefixes.cache.clear();
      expect([prefixes.cache.entries, prefixes.cache.bytes, prefixes.addon.liveSequences]).to.deep.equal([0, 0, 1]);
      expect(held.lease?.sequence.length).to.equal(3);
    });
  });
});
