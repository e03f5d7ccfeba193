// SPDX-License-Identifier: Apache-2.0
// The guard over a fake addon: results, scores, and prompts that are fed in pieces or refused.

import { expect } from 'chai';

import { LlamaGuardError } from '../../lib/errors/index.js';
import type { ModerateOptions } from '../../lib/index.js';
import { codeOf } from '../support/error-code.js';
import { demoConfig, fakeGuard, speaks } from '../support/fake-guard.js';
import { words } from '../support/words.js';

describe('LlamaGuard', () => {
  describe('moderate', () => {
    it('gives a safe verdict in two passes, one for the policy', async () => {
      const { guard, addon } = await fakeGuard({ logitsAfter: speaks([]) });
      const result = await guard.moderate('How are you?');
      expect(result.verdict).to.equal('safe');
      expect(result.flagged).to.equal(false);
      expect(result.score).to.be.closeTo(1 / (1 + Math.E), 1e-6);
      expect(result.categories).to.deep.equal([]);
      expect(result.role).to.equal('user');
      expect(result.demo).to.equal(true);
      expect(result.usage.passes).to.equal(2);
      expect(result.usage.completionTokens).to.equal(1);
      expect(addon.passes.map((pass) => pass.logits)).to.deep.equal([0, 2]);
      expect(result).not.to.have.property('labels');
      await guard.dispose();
    });

    it('names the categories in the order in which the model lists them', async () => {
      const { guard } = await fakeGuard({ logitsAfter: speaks(['S9', 'S1']) });
      const result = await guard.moderate('a');
      expect(result.verdict).to.equal('unsafe');
      expect(result.categories.map(({ code }) => code)).to.deep.equal(['S9', 'S1']);
      // "unsafe" "\n" "S" "9" ",S" "1"
      expect(result.usage.completionTokens).to.equal(6);
      await guard.dispose();
    });

    it('feeds the decoder the tokens of the verdict and nothing that it dropped', async () => {
      const { guard, addon } = await fakeGuard({ logitsAfter: speaks(['S2']) });
      const { usage } = await guard.moderate('a');
      const id = (text: string): number => demoConfig.labels.find((label) => label.text === text)?.id ?? -1;
      const last = addon.passes.at(-1);
      expect(last?.before.slice(usage.promptTokens)).to.deep.equal(['\n\n', 'unsafe', '\n', 'S'].map(id));
      expect(last?.tokens).to.deep.equal(['2', ',S'].map(id));
      await guard.dispose();
    });

    it('judges the agent when the last message is an agent turn', async () => {
      const { guard } = await fakeGuard({ logitsAfter: speaks([]) });
      const result = await guard.moderate([
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b' },
      ]);
      expect(result.role).to.equal('assistant');
      await guard.dispose();
    });

    it('flags at a lower threshold and adds label probabilities on request', async () => {
      const { guard } = await fakeGuard({ logitsAfter: speaks([]) });
      const result = await guard.moderate('a', { threshold: 0.2, labels: true });
      expect(result.flagged).to.equal(true);
      expect(result.verdict).to.equal('unsafe');
      const labels = result.labels ?? [];
      expect(labels.map(({ text }) => text)).to.deep.equal(demoConfig.labels.map(({ text }) => text));
      expect(labels.reduce((sum, { probability }) => sum + probability, 0)).to.be.closeTo(1, 1e-5);
      await guard.dispose();
    });

    it('says what the two thresholds make of a score, and names categories for a review', async () => {
      // speaks() gives P(unsafe) = e / (1 + e) = 0.731 for a list.
      const { guard } = await fakeGuard({ logitsAfter: speaks(['S9', 'S1']) });
      const judged = async (options: ModerateOptions): Promise<unknown> => {
        const { action, flagged, verdict, categories, usage } = await guard.moderate('a', options);
        return [action, flagged, verdict, categories.map(({ code }) => code).join(), usage.completionTokens];
      };
      expect(await judged({})).to.deep.equal(['block', true, 'unsafe', 'S9,S1', 6]);
      expect(await judged({ threshold: 0.8 })).to.deep.equal(['allow', false, 'safe', '', 1]);
      expect(await judged({ thresholds: { block: 0.8 } })).to.deep.equal(['allow', false, 'safe', '', 1]);
      expect(await judged({ thresholds: { review: 0.7, block: 0.8 } })).to.deep.equal(['review', false, 'safe', 'S9,S1', 6]);
      expect(await judged({ thresholds: { review: 0.2 } })).to.deep.equal(['block', true, 'unsafe', 'S9,S1', 6]);
      expect(guard.stats()).to.include({ verdicts: 5, flagged: 2 });
      await guard.dispose();
    });

    it('adds the raw logits on request, and spreads them over the vocabulary', async () => {
      const logitsAfter = (): Float32Array => Float32Array.from(demoConfig.labels, (_, row) => 20 - row);
      const { guard } = await fakeGuard({ logitsAfter });
      expect(await guard.moderate('a')).not.to.have.property('logits');
      const { logits = new Float32Array() } = await guard.moderate('a', { logits: true });
      expect([...logits]).to.deep.equal(demoConfig.labels.map((_, row) => 20 - row));
      const full = guard.scatterLogits(logits);
      expect(full).to.have.lengthOf(guard.info.dims.vocabSize);
      const finite = [...full.entries()].filter(([, logit]) => logit !== -Infinity);
      expect(new Map(finite)).to.deep.equal(new Map(demoConfig.labels.map(({ id }, row) => [id, 20 - row])));
      for (const wrong of [undefined, [...logits], logits.subarray(1), new Float64Array(logits)]) {
        const error = expect(() => guard.scatterLogits(wrong as Float32Array)).to.throw(LlamaGuardError);
        error.with.property('code', 'ERR_LLAMA_GUARD_INVALID_ARGUMENT');
      }
      await guard.dispose();
      expect(() => guard.scatterLogits(logits)).to.throw().with.property('code', 'ERR_LLAMA_GUARD_DISPOSED');
    });

    it('measures times that add up', async () => {
      const { guard } = await fakeGuard();
      const { timings } = await guard.moderate('a');
      const { totalMs, ...parts } = timings;
      for (const part of Object.values(parts)) expect(part).to.be.at.least(0);
      expect(Object.values(parts).reduce((sum, part) => sum + part, 0)).to.be.at.most(totalMs);
      await guard.dispose();
    });
  });

  describe('long prompts', () => {
    it('are fed in passes of at most 512 tokens, with all logits in the last one', async () => {
      const { guard, addon } = await fakeGuard({ logitsAfter: speaks([]) });
      for (const count of [120, 250, 251, 252, 253, 254, 255, 256, 257, 400]) {
        addon.passes.length = 0;
        const { usage } = await guard.moderate(words(count));
        const fed = addon.passes.flatMap((pass) => [...pass.tokens]);
        // All of the prompt and "\n\n", but what was kept.
        expect(fed.length).to.equal(usage.promptTokens - usage.cachedTokens + 1);
        for (const pass of addon.passes) expect(pass.tokens.length).to.be.within(1, 512);
        expect(addon.passes.map((pass) => pass.logits).filter((logits) => logits > 0)).to.deep.equal([2]);
        expect(addon.passes.at(-1)?.logits).to.equal(2);
      }
      await guard.dispose();
    });

    it('that exceed the context are refused with both lengths', async () => {
      const { guard, addon } = await fakeGuard();
      const { contextLength } = demoConfig.model;
      const error = await guard.moderate(words(contextLength)).then(
        () => undefined,
        (reason: unknown) => reason as LlamaGuardError,
      );
      expect(error?.code).to.equal('ERR_LLAMA_GUARD_CONTEXT_OVERFLOW');
      const numbers = (error?.message.match(/\d+/g) ?? []).map(Number);
      expect(numbers).to.include(contextLength);
      expect(numbers[0]).to.be.greaterThan(contextLength);
      expect(addon.passes).to.have.lengthOf(0);
      await guard.dispose();
    });

    it('that cannot fit are refused by their bytes alone', async () => {
      const { guard, addon } = await fakeGuard();
      const { contextLength } = demoConfig.model;
      // One piece for the tokenizer, and more bytes than the context could hold in the longest of all tokens.
      const error = await guard.moderate('x'.repeat(2 ** 23)).then(
        () => undefined,
        (reason: unknown) => reason as LlamaGuardError,
      );
      expect(error?.code).to.equal('ERR_LLAMA_GUARD_CONTEXT_OVERFLOW');
      expect(error?.message).to.match(new RegExp(`at least \\d+ tokens.* ${contextLength}\\b`));
      expect(addon.passes).to.have.lengthOf(0);
      await guard.dispose();
    });

    it('may fill the context to the last token that a verdict needs', async () => {
      const { guard } = await fakeGuard({ logitsAfter: speaks(['S1']) });
      const { contextLength } = demoConfig.model;
      // "a a a ...": find the largest count that is accepted.
      let low = 1;
      let high = contextLength;
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if ((await codeOf(() => guard.moderate('a '.repeat(middle)))) === undefined) low = middle;
        else high = middle;
      }
      const { usage } = await guard.moderate('a '.repeat(low));
      // Room for "\n\n", "unsafe", "\n", "S" and twelve times a number and ",S".
      expect(usage.promptTokens + 28).to.be.within(contextLength - 2, contextLength);
      await guard.dispose();
    });
  });
});
