// SPDX-License-Identifier: Apache-2.0
// Mode `per-category`: one prompt for each category, judged together, each with the score that it has alone.

import { expect } from 'chai';

import { LlamaGuard, type ModerateOptions } from '../../lib/index.js';
import { openContainer } from '../../lib/loading/container.js';
import type { Tokenizer } from '../../lib/tokenizer/index.js';
import type { FakePass } from '../support/fake-addon.js';
import { codeOf } from '../support/error-code.js';
import { demoConfig, demoFolder, fakeGuard } from '../support/fake-guard.js';

const codes = Array.from({ length: 13 }, (_, i) => `S${i + 1}`);
const mode = 'per-category';
const judgeAgent = [{ role: 'user' as const, content: 'a' }, { role: 'assistant' as const, content: 'b' }];

let tokenizer: Tokenizer;
const textOf = (tokens: readonly number[]): string => tokenizer.decode(tokens);

/** The codes that the policy of a prompt has. */
function codesIn(tokens: readonly number[]): string[] {
  return [...textOf(tokens).matchAll(/^(S\d+): /gm)].map((match) => match[1] ?? '');
}

/** A model whose P(unsafe) is 1 / (1 + exp(-odds)) where the policy is one category alone; odds of S1, S2, ... */
function answersBy(odds: readonly number[]): (tokens: readonly number[]) => Float32Array {
  return (tokens) => {
    const [code, ...others] = codesIn(tokens);
    const logits = new Float32Array(demoConfig.labels.length);
    const unsafe = demoConfig.labels.findIndex((label) => label.text === 'unsafe');
    logits[unsafe] = others.length > 0 ? NaN : (odds[codes.indexOf(code ?? '')] ?? NaN);
    return logits;
  };
}

describe('mode per-category', () => {
  before(async () => {
    ({ tokenizer } = await openContainer(demoFolder));
  });

  it('gives every category its own probability, and the largest as the score', async () => {
    const odds = codes.map((_, i) => (i === 4 ? 2 : i === 8 ? 3 : -1 - i / 10));
    const { guard } = await fakeGuard({ logitsAfter: answersBy(odds) });
    const result = await guard.moderate('a', { mode });
    expect(result).to.include({ mode, verdict: 'unsafe', action: 'block', flagged: true });
    expect(Object.keys(result.categoryScores ?? {})).to.deep.equal(codes);
    for (const [i, code] of codes.entries()) {
      expect(result.categoryScores?.[code], code).to.be.closeTo(1 / (1 + Math.exp(-(odds[i] ?? 0))), 1e-6);
    }
    expect(result.categories.map(({ code }) => code)).to.deep.equal(['S9', 'S5']);
    expect(result.categories.map(({ name }) => name)).to.deep.equal(['Indiscriminate Weapons', 'Defamation']);
    expect(result.score).to.equal(result.categoryScores?.['S9']).and.to.equal(result.categories[0]?.score);
    await guard.dispose();
  });

  it('names the categories from the threshold of review on, none below it, and scores them all the same', async () => {
    const odds = codes.map((_, i) => (i === 2 ? 0.5 : i === 6 ? -0.5 : -3));
    const { guard } = await fakeGuard({ logitsAfter: answersBy(odds) });
    const judged = async (options: ModerateOptions): Promise<unknown> => {
      const { action, categories, categoryScores } = await guard.moderate('a', { mode, ...options });
      return [action, ...categories.map(({ code }) => code), Object.keys(categoryScores ?? {}).length];
    };
    // P(unsafe) is 0.622 for S3 and 0.378 for S7.
    expect(await judged({})).to.deep.equal(['block', 'S3', 13]);
    expect(await judged({ threshold: 0.9 })).to.deep.equal(['allow', 13]);
    expect(await judged({ thresholds: { review: 0.3, block: 0.9 } })).to.deep.equal(['review', 'S3', 'S7', 13]);
    expect(await judged({ thresholds: { review: 0.3, block: 0.6 } })).to.deep.equal(['block', 'S3', 'S7', 13]);
    await guard.dispose();
  });

  it('gives equal scores in the order of the policy', async () => {
    const { guard } = await fakeGuard({ logitsAfter: () => new Float32Array(demoConfig.labels.length) });
    const { categories, score } = await guard.moderate('a', { mode, exclude: ['S3'] });
    expect(categories.map(({ code }) => code)).to.deep.equal(codes.filter((code) => code !== 'S3'));
    expect(score).to.equal(0.5);
    await guard.dispose();
  });

  it('asks with policies of one category each, all in the same passes, and with kept policies the next time', async () => {
    const passes: FakePass[] = [];
    const { guard, addon } = await fakeGuard({ beforePass: (pass) => void passes.push(pass) });
    const first = await guard.moderate('a', { mode });
    expect(first.usage.cachedTokens).to.equal(0);
    expect(guard.info.policyCache.entries).to.equal(13);
    const asked = passes.filter(({ logits }) => logits > 0);
    const prompts = asked.map(({ before, tokens }) => [...before, ...tokens]);
    expect(prompts.map(codesIn).sort()).to.deep.equal(codes.map((code) => [code]).sort());
    expect(new Set(prompts.map((prompt) => textOf(prompt).replace(/^S\d+: .*$/m, ''))).size).to.equal(1);
    passes.length = 0;
    addon.batches.length = 0;
    const second = await guard.moderate('b', { mode });
    // 13 short prompts of about 60 tokens after the policy, in passes of at most 512.
    expect(addon.batches).to.have.lengthOf(Math.ceil(addon.batches.reduce((sum, tokens) => sum + tokens, 0) / 512));
    // All of the kept policies, of which the fake addon takes 10 bytes a token.
    expect(second.usage.cachedTokens * 10).to.equal(guard.info.policyCache.bytes);
    expect(second.usage.completionTokens).to.be.at.least(13);
    await guard.moderate(judgeAgent, { mode });
    expect(guard.info.policyCache.entries).to.equal(26);
    expect(addon.liveSequences).to.equal(26);
    expect(guard.stats()).to.include({ calls: 3, verdicts: 3, running: 0 });
    await guard.dispose();
  });

  it('computes each policy once a call even where the cache is too small for them', async () => {
    const { guard, addon } = await fakeGuard({}, { policyCacheEntries: 2 });
    await guard.moderate('a', { mode });
    expect(addon.passes.filter(({ logits, before }) => logits === 0 && before.length === 0)).to.have.lengthOf(13);
    await new Promise((resolve) => setImmediate(resolve));
    expect(guard.info.policyCache.entries).to.equal(2);
    expect(addon.liveSequences).to.equal(2);
    await guard.dispose();
  });

  it('gives each category the bits of a call with that category alone, whatever the cache, alone or in company', async function () {
    this.timeout(60_000);
    const text = 'Tell me how to make a bomb, and who to hate.';
    const guard = await LlamaGuard.load();
    const result = await guard.moderate(text, { mode, labels: true, logits: true });
    let best = 0;
    for (const code of codes) {
      const others = codes.filter((other) => other !== code);
      const alone = await guard.moderate(text, { exclude: others, labels: true, logits: true });
      expect(result.categoryScores?.[code], code).to.equal(alone.score);
      best = Math.max(best, alone.score);
      if (alone.score === result.score) expect([alone.labels, alone.logits]).to.deep.equal([result.labels, result.logits]);
    }
    expect(result.score).to.equal(best);
    const [inCompany] = await guard.moderateBatch([text, 'a', 'b', text], { mode });
    expect(inCompany).to.have.nested.property('value.categoryScores').that.deep.equals(result.categoryScores);
    await guard.dispose();
    const without = await LlamaGuard.load(undefined, { cache: false, threads: 1 });
    expect((await without.moderate(text, { mode })).categoryScores).to.deep.equal(result.categoryScores);
    await without.dispose();
  });

  it('fails as a whole when one prompt fails, and leaves nothing behind', async () => {
    let count = 0;
    const { guard, addon } = await fakeGuard({
      logitsAfter: () => new Float32Array(demoConfig.labels.length).fill(++count === 7 ? NaN : 0),
    });
    expect(await codeOf(() => guard.moderate('a', { mode }))).to.equal('ERR_LLAMA_GUARD_NON_FINITE');
    expect(guard.stats()).to.include({ failed: 1, running: 0 });
    expect(addon.liveSequences).to.equal(13);
    await guard.dispose();
    expect(addon.liveSequences).to.equal(0);
  });

  it('ends at once with its signal, and leaves nothing behind', async () => {
    const controller = new AbortController();
    const { guard, addon } = await fakeGuard({ beforePass: ({ logits }) => void (logits > 0 && controller.abort()) });
    const { signal } = controller;
    expect(await codeOf(() => guard.moderate('a', { mode, signal }))).to.equal('ERR_LLAMA_GUARD_ABORTED');
    await guard.dispose();
    expect(addon.liveSequences).to.equal(0);
  });

  it('is refused where it is misspelt', async () => {
    const { guard } = await fakeGuard();
    for (const wrong of ['category', '', null, 1]) {
      expect(await codeOf(() => guard.moderate('a', { mode: wrong as 'list' }))).to.equal('ERR_LLAMA_GUARD_INVALID_ARGUMENT');
    }
    expect((await guard.moderate('a')).mode).to.equal('list');
    await guard.dispose();
  });
});
