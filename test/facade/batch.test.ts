// SPDX-License-Identifier: Apache-2.0
// Many inputs at once: order, company, errors of single inputs, signals, timeouts, and how much is held at a time.

import { expect } from 'chai';

import { type ConversationInput, LlamaGuard, LlamaGuardError, type ModerationResult } from '../../lib/index.js';
import { itemsAhead } from '../../lib/scheduling/in-order.js';
import { codeOf } from '../support/error-code.js';
import { fakeGuard, speaks } from '../support/fake-guard.js';

type Outcome = PromiseSettledResult<ModerationResult>;

function texts(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `Question ${i}: ${'why '.repeat(i % 9)}?`);
}

const scoreOf = (outcome: Outcome | undefined): number => (outcome?.status === 'fulfilled' ? outcome.value.score : NaN);
const codeIn = (outcome: Outcome): string | undefined => (outcome.status === 'rejected' ? (outcome.reason as LlamaGuardError).code : undefined);

describe('guard.moderateBatch', () => {
  it('answers in order, each as alone, and fills passes', async () => {
    const alone = await fakeGuard();
    const wanted: number[] = [];
    for (const text of texts(150)) wanted.push((await alone.guard.moderate(text)).score);
    const { guard, addon } = await fakeGuard({}, { maxQueue: 0 });
    const outcomes = await guard.moderateBatch(texts(150));
    expect(outcomes.map(scoreOf)).to.deep.equal(wanted);
    expect(Math.max(...addon.batches)).to.equal(512);
    expect(guard.stats()).to.include({ calls: 150, verdicts: 150, overloaded: 0 });
    await guard.dispose();
    await alone.guard.dispose();
  });

  it('gives the same bits as single calls with the real addon', async function () {
    this.timeout(60_000);
    const guard = await LlamaGuard.load();
    const inputs: ConversationInput[] = [...texts(20), [{ role: 'user', content: 'Hi' }, { role: 'agent', content: 'I will hurt you.' }]];
    const outcomes = await guard.moderateBatch(inputs, { labels: true, threshold: 0.01 });
    for (const [i, input] of inputs.entries()) {
      const { timings: _, usage: __, ...alone } = await guard.moderate(input, { labels: true, threshold: 0.01 });
      const outcome = outcomes[i];
      expect(outcome?.status === 'fulfilled' ? outcome.value : undefined).to.deep.include(alone);
    }
    await guard.dispose();
  });

  it('rejects what is wrong in its place and judges the rest', async () => {
    const { guard, addon } = await fakeGuard({ logitsAfter: speaks([]) });
    const wrong = [undefined, {}, [], ' ', [{ role: 'assistant', content: 'a' }], 'word '.repeat(5000)];
    const outcomes = await guard.moderateBatch(['a', ...(wrong as string[]), 'b']);
    const codes = ['INVALID_ARGUMENT', 'INVALID_ARGUMENT', 'EMPTY_CONVERSATION', 'EMPTY_CONVERSATION', 'ROLE_ORDER', 'CONTEXT_OVERFLOW'];
    expect(outcomes.map(codeIn)).to.deep.equal([undefined, ...codes.map((code) => `ERR_LLAMA_GUARD_${code}`), undefined]);
    expect(outcomes.every((outcome) => outcome.status === 'fulfilled' || LlamaGuardError.isInstance(outcome.reason))).to.equal(true);
    expect(addon.liveSequences).to.equal(1);
    await guard.dispose();
  });

  it('fails at once for wrong options and what is no list', async () => {
    const { guard, addon } = await fakeGuard();
    expect(await codeOf(() => guard.moderateBatch(['a'], { threshold: 2 }))).to.equal('ERR_LLAMA_GUARD_INVALID_ARGUMENT');
    expect(await codeOf(() => guard.moderateBatch([], { exclude: ['S99'] }))).to.equal('ERR_LLAMA_GUARD_UNKNOWN_CATEGORY');
    for (const list of ['text', undefined, null, {}, new Set(['a'])]) {
      expect(await codeOf(() => guard.moderateBatch(list as unknown as string[]))).to.equal('ERR_LLAMA_GUARD_INVALID_ARGUMENT');
    }
    expect(addon.passes).to.have.lengthOf(0);
    await guard.dispose();
    expect(await codeOf(() => guard.moderateBatch(['a']))).to.equal('ERR_LLAMA_GUARD_DISPOSED');
  });

  it('gives an empty list for one', async () => {
    const { guard } = await fakeGuard();
    expect(await guard.moderateBatch([])).to.deep.equal([]);
    await guard.dispose();
  });

  it('keeps verdicts that are there when the signal fires, and rejects the rest', async () => {
    const controller = new AbortController();
    let passes = 0;
    const { guard, addon } = await fakeGuard({
      beforePass: () => {
        if (++passes === 70) controller.abort('enough');
      },
    });
    const outcomes = await guard.moderateBatch(texts(500), { signal: controller.signal });
    expect(outcomes).to.have.lengthOf(500);
    const codes = new Set(outcomes.map(codeIn));
    expect(codes).to.deep.equal(new Set([undefined, 'ERR_LLAMA_GUARD_ABORTED']));
    expect(codeIn(outcomes[499] as Outcome)).to.equal('ERR_LLAMA_GUARD_ABORTED');
    expect((outcomes[499] as PromiseRejectedResult).reason).to.have.property('cause', 'enough');
    const judged = outcomes.filter(({ status }) => status === 'fulfilled').length;
    expect(judged).to.be.within(1, 2 * itemsAhead);
    await guard.dispose();
    expect(addon.liveSequences).to.equal(0);
  });

  it('gives every input its own timeout', async () => {
    let passes = 0;
    const { guard } = await fakeGuard({
      // One pass that takes until the first calls are overdue; all others are quick.
      beforePass: async () => {
        passes++;
        while (passes === 2 && guard.stats().overdue === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      },
    });
    const outcomes = await guard.moderateBatch(texts(200), { timeoutMs: 400 });
    const codes = outcomes.map(codeIn);
    expect(codes[0]).to.equal('ERR_LLAMA_GUARD_DEADLINE');
    expect(codes.at(-1)).to.equal(undefined);
    await guard.dispose();
  });

  it('adds one listener to a signal, and takes it away', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => (listeners++, addEventListener.apply(signal, args));
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => (listeners--, removeEventListener.apply(signal, args));
    const warnings: Error[] = [];
    const onWarning = (warning: Error): number => warnings.push(warning);
    process.on('warning', onWarning);
    const { guard } = await fakeGuard({ beforePass: () => void expect(listeners).to.equal(1) });
    await guard.moderateBatch(texts(100), { signal });
    await new Promise((resolve) => setImmediate(resolve));
    process.removeListener('warning', onWarning);
    expect(listeners).to.equal(0);
    expect(warnings).to.deep.equal([]);
    await guard.dispose();
  });
});

describe('guard.moderateEach', () => {
  it('takes from an endless source no more than it looks ahead, and stops when the loop is left', async () => {
    let taken = 0;
    let closed = false;
    async function* endless(): AsyncGenerator<string> {
      try {
        for (;;) yield `text ${taken++}`;
      } finally {
        closed = true;
      }
    }
    const { guard, addon } = await fakeGuard();
    let seen = 0;
    for await (const outcome of guard.moderateEach(endless())) {
      expect(outcome.status).to.equal('fulfilled');
      expect(taken).to.be.at.most(++seen + itemsAhead);
      if (seen === 100) break;
    }
    expect(closed).to.equal(true);
    await guard.dispose();
    const { verdicts, aborted, calls } = guard.stats();
    expect(verdicts + aborted).to.equal(calls);
    expect(aborted).to.be.greaterThan(0);
    expect(addon.liveSequences).to.equal(0);
  });

  it('gives a verdict while the source waits for more', async () => {
    async function* waiting(): AsyncGenerator<string> {
      yield 'a';
      await new Promise(() => undefined);
    }
    const { guard } = await fakeGuard({ logitsAfter: speaks([]) });
    const outcomes = guard.moderateEach(waiting());
    expect((await outcomes.next()).value).to.have.nested.property('value.verdict', 'safe');
    await guard.dispose();
  });

  it('ends with ABORTED when the signal fires, even while the source waits', async () => {
    const controller = new AbortController();
    const silent: AsyncIterable<string> = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }) };
    const { guard } = await fakeGuard();
    const next = guard.moderateEach(silent, { signal: controller.signal }).next();
    controller.abort('enough');
    const error = (await next.catch((reason: unknown) => reason)) as LlamaGuardError;
    expect(error).to.include({ code: 'ERR_LLAMA_GUARD_ABORTED', cause: 'enough' });
    await guard.dispose();
  });

  it('throws at once for wrong options and for what is no source, a text among them', async () => {
    const { guard } = await fakeGuard();
    const wrong = { property: 'code', value: 'ERR_LLAMA_GUARD_INVALID_ARGUMENT' };
    for (const source of ['text', undefined, null, {}, 3]) {
      expect(() => guard.moderateEach(source as string[])).to.throw(LlamaGuardError).with.property(wrong.property, wrong.value);
    }
    expect(() => guard.moderateEach([], { timeoutMs: -1 })).to.throw(LlamaGuardError).with.property(wrong.property, wrong.value);
    await guard.dispose();
    expect(() => guard.moderateEach([])).to.throw(LlamaGuardError).with.property('code', 'ERR_LLAMA_GUARD_DISPOSED');
  });
});
