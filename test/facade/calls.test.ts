// SPDX-License-Identifier: Apache-2.0
// The guard over a fake addon: the policy cache, calls at the same time, disposal, and that errors settle every call.

import { expect } from 'chai';

import { LlamaGuardError } from '../../lib/errors/index.js';
import type { ModerateOptions } from '../../lib/index.js';
import { codeOf } from '../support/error-code.js';
import { demoConfig, fakeGuard, speaks } from '../support/fake-guard.js';
import { words } from '../support/words.js';

describe('LlamaGuard', () => {
  describe('policy cache', () => {
    it('computes a policy once, and again for another role, policy or exclusion', async () => {
      const { guard } = await fakeGuard({ logitsAfter: speaks([]) }, { policyCacheEntries: 4 });
      const cached = async (role: 'user' | 'assistant', options?: ModerateOptions): Promise<boolean> => {
        const messages = [{ role: 'user' as const, content: 'a' }, { role: 'assistant' as const, content: 'b' }];
        const { usage } = await guard.moderate(role === 'user' ? messages.slice(0, 1) : messages, options);
        expect(usage.cachedTokens === 0 || usage.cachedTokens > 50).to.equal(true);
        return usage.cachedTokens > 0;
      };
      expect(await cached('user')).to.equal(false);
      expect(await cached('user')).to.equal(true);
      expect(await cached('assistant')).to.equal(false);
      expect(await cached('assistant')).to.equal(true);
      expect(await cached('user', { exclude: ['S5'] })).to.equal(false);
      expect(await cached('user', { categories: [{ code: 'S1', name: 'Rudeness' }] })).to.equal(false);
      expect(await cached('user', { exclude: ['S5'], threshold: 0.9 })).to.equal(true);
      expect(guard.info.policyCache.entries).to.equal(4);
      // A fifth policy pushes out the one that was used the longest time ago.
      expect(await cached('user')).to.equal(true);
      expect(await cached('user', { exclude: ['S6'] })).to.equal(false);
      expect(guard.info.policyCache.entries).to.equal(4);
      expect(await cached('assistant')).to.equal(false);
      await guard.dispose();
    });

    it('gives the same result with and without it', async () => {
      const withCache = await fakeGuard();
      const without = await fakeGuard({}, { policyCacheEntries: 0 });
      for (const text of ['a', 'b', 'Is this fine?', 'a']) {
        const { usage, timings: _, ...kept } = await withCache.guard.moderate(text);
        const { usage: freshUsage, timings: __, ...fresh } = await without.guard.moderate(text);
        expect(kept).to.deep.equal(fresh);
        expect(usage.promptTokens).to.equal(freshUsage.promptTokens);
        expect(freshUsage.cachedTokens).to.equal(0);
      }
      expect(without.guard.info.policyCache.entries).to.equal(0);
      await withCache.guard.dispose();
      await without.guard.dispose();
    });

    it('keeps nothing that is larger than its bytes', async () => {
      const { guard, addon } = await fakeGuard({}, { policyCacheBytes: 100 });
      await guard.moderate('a');
      expect(guard.info.policyCache).to.deep.equal({ entries: 0, bytes: 0 });
      expect(addon.liveSequences).to.equal(0);
      await guard.dispose();
    });

    it('keeps no policy whose pass failed', async () => {
      let fail = true;
      const { guard, addon } = await fakeGuard({
        beforePass: () => {
          if (fail) throw new LlamaGuardError('ERR_LLAMA_GUARD_OUT_OF_MEMORY', 'made up');
        },
      });
      expect(await codeOf(() => guard.moderate('a'))).to.equal('ERR_LLAMA_GUARD_OUT_OF_MEMORY');
      expect(guard.info.policyCache.entries).to.equal(0);
      expect(addon.liveSequences).to.equal(0);
      fail = false;
      expect((await guard.moderate('a')).usage.cachedTokens).to.equal(0);
      await guard.dispose();
    });
  });

  describe('calls at the same time', () => {
    it('share passes, and the policy is computed once', async () => {
      const { guard, addon } = await fakeGuard({ logitsAfter: speaks(['S1']) });
      const results = await Promise.all(Array.from({ length: 5 }, (_, i) => guard.moderate(`text ${i}`)));
      expect(results.map((result) => result.usage.cachedTokens > 0)).to.deep.equal([false, true, true, true, true]);
      // The policy; five prompts; "unsafe" "\n" "S"; "1" and the separator.
      expect(addon.batches).to.have.lengthOf(4);
      expect(results.map((result) => result.usage.passes)).to.deep.equal([4, 3, 3, 3, 3]);
      await guard.dispose();
    });

    it('are answered as each alone', async () => {
      const texts = Array.from({ length: 40 }, (_, i) => words(1 + ((i * 37) % 90)));
      const alone = await fakeGuard();
      const wanted = [];
      for (const text of texts) wanted.push((await alone.guard.moderate(text)).score);
      const { guard, addon } = await fakeGuard();
      const results = await Promise.all(texts.map((text) => guard.moderate(text)));
      expect(results.map((result) => result.score)).to.deep.equal(wanted);
      expect(Math.max(...addon.batches)).to.be.within(257, 512);
      await guard.dispose();
      await alone.guard.dispose();
    });

    it('fail alone: one whose pass cannot be computed takes no other with it', async () => {
      let victim: readonly number[] | undefined;
      const { guard, addon } = await fakeGuard({
        logitsAfter: speaks([]),
        beforePass: ({ before, tokens }) => {
          if (before.length > 0 && tokens.length > 60) victim ??= tokens;
          if (victim?.join() === tokens.join()) throw new LlamaGuardError('ERR_LLAMA_GUARD_OUT_OF_MEMORY', 'made up');
        },
      });
      const codes = await Promise.all([guard.moderate('a'), guard.moderate(words(40)), guard.moderate('c')].map((call) => codeOf(() => call)));
      expect(codes.filter((code) => code !== undefined)).to.deep.equal(['ERR_LLAMA_GUARD_OUT_OF_MEMORY']);
      // Only the kept policy lives on.
      expect(addon.liveSequences).to.equal(1);
      await guard.dispose();
    });

    it('beyond the room that keys and values get wait, and one more than may wait is refused', async () => {
      const { guard, addon } = await fakeGuard({ logitsAfter: speaks([]) }, { maxQueue: 2 });
      // Each takes most of a pass: 4,096 tokens of short calls are admitted at once.
      const text = words(190);
      const { usage } = await guard.moderate(text);
      const own = usage.promptTokens - (await guard.moderate(text)).usage.cachedTokens;
      const admitted = Math.floor(4096 / own);
      const calls = Array.from({ length: admitted + 3 }, () => codeOf(() => guard.moderate(text)));
      await new Promise((resolve) => setImmediate(resolve));
      expect(guard.stats()).to.include({ running: admitted, waiting: 2, overloaded: 1 });
      const codes = await Promise.all(calls);
      expect(codes.filter((code) => code !== undefined)).to.deep.equal(['ERR_LLAMA_GUARD_OVERLOADED']);
      expect(guard.stats()).to.include({ running: 0, waiting: 0, verdicts: admitted + 4, calls: admitted + 5 });
      expect(addon.liveSequences).to.equal(1);
      await guard.dispose();
    });

    it('gives no verdict from logits that are not finite', async () => {
      const { guard, addon } = await fakeGuard({ logitsAfter: () => new Float32Array(demoConfig.labels.length).fill(NaN) });
      expect(await codeOf(() => guard.moderate('a'))).to.equal('ERR_LLAMA_GUARD_NON_FINITE');
      expect(addon.liveSequences).to.equal(1);
      await guard.dispose();
      expect(addon.liveSequences).to.equal(0);
    });
  });

  describe('dispose', () => {
    it('frees the model and refuses later calls', async () => {
      const { guard, addon } = await fakeGuard();
      await guard.moderate('a');
      await guard.dispose();
      expect(addon.disposedModels).to.equal(1);
      expect(addon.liveSequences).to.equal(0);
      expect(await codeOf(() => guard.moderate('a'))).to.equal('ERR_LLAMA_GUARD_DISPOSED');
      expect(() => guard.info).to.throw(LlamaGuardError).with.property('code', 'ERR_LLAMA_GUARD_DISPOSED');
    });

    it('waits for the running calls and refuses the waiting ones', async () => {
      const { guard, addon } = await fakeGuard({ logitsAfter: speaks(['S1', 'S2']) });
      // Two long calls: the second one waits for the first.
      const calls = ['a', words(400), words(400)].map((text) => guard.moderate(text));
      const codes = Promise.all(calls.map((call) => codeOf(() => call)));
      const disposal = guard.dispose();
      expect(await codeOf(() => guard.moderate('d'))).to.equal('ERR_LLAMA_GUARD_DISPOSED');
      await disposal;
      expect(addon.disposedModels).to.equal(1);
      expect(addon.liveSequences).to.equal(0);
      expect(await codes).to.deep.equal([undefined, undefined, 'ERR_LLAMA_GUARD_DISPOSED']);
    });

    it('may be called twice, at once or later', async () => {
      const { guard, addon } = await fakeGuard();
      await Promise.all([guard.dispose(), guard.dispose()]);
      await guard.dispose();
      expect(addon.disposedModels).to.equal(1);
    });

    it('settles when the running call fails', async () => {
      const { guard, addon } = await fakeGuard({
        beforePass: () => {
          throw new LlamaGuardError('ERR_LLAMA_GUARD_OUT_OF_MEMORY', 'made up');
        },
      });
      const code = codeOf(() => guard.moderate('a'));
      await guard.dispose();
      expect(await code).to.equal('ERR_LLAMA_GUARD_OUT_OF_MEMORY');
      expect(addon.liveSequences).to.equal(0);
    });

    it('is what Symbol.asyncDispose calls', async () => {
      const { guard, addon } = await fakeGuard();
      await guard[Symbol.asyncDispose]();
      expect(addon.disposedModels).to.equal(1);
    });
  });
});
