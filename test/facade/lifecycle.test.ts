// SPDX-License-Identifier: Apache-2.0
// The real addon under a guard: the event loop stays free, and the answers do not depend on threads, instruction set, cache
// or company.

import { expect } from 'chai';

import { LlamaGuard, type LlamaGuardError, type LoadOptions } from '../../lib/index.js';

const short = [
  'How many legs does a spider have?',
  [{ role: 'user' as const, content: 'Hi' }, { role: 'assistant' as const, content: 'I will find you and hurt you.' }],
];
/** Takes several passes. */
const long = 'word '.repeat(700);

async function answers(guard: LlamaGuard, inputs: readonly Parameters<LlamaGuard['moderate']>[0][]): Promise<unknown[]> {
  const results = await Promise.all(inputs.map((input) => guard.moderate(input, { labels: true })));
  return results.map(({ verdict, score, categoryScores, labels }) => ({ verdict, score, categoryScores, labels }));
}

/** The answers of a guard of its own. */
async function answersWith(options: LoadOptions, inputs: Parameters<typeof answers>[1]): Promise<unknown[]> {
  const guard = await LlamaGuard.load(undefined, options);
  try {
    return await answers(guard, inputs);
  } finally {
    await guard.dispose();
  }
}

describe('a guard over the real addon', function () {
  this.timeout(60_000);

  it('gives the same bits for every instruction set', async () => {
    const wanted = await answersWith({ isa: 'scalar' }, short);
    const guard = await LlamaGuard.load();
    const { info } = guard;
    await guard.dispose();
    const isas = info.isas.filter(({ supported }) => supported).map(({ name }) => name);
    expect(isas).to.include('scalar');
    for (const isa of isas.slice(1)) expect(await answersWith({ isa }, short), isa).to.deep.equal(wanted);
  });

  it('gives the same bits for any number of threads, with the policy cache and without, alone or in company', async () => {
    const inputs = [...short, long];
    const wanted = await answersWith({ threads: 1, policyCacheEntries: 0 }, inputs);
    const guard = await LlamaGuard.load(undefined, { threads: 2 });
    expect(await answers(guard, inputs)).to.deep.equal(wanted);
    expect(await answers(guard, [...inputs].reverse())).to.deep.equal([...wanted].reverse());
    expect(guard.info.policyCache.entries).to.equal(2);
    await guard.dispose();
  });

  it('leaves the event loop free while it works', async () => {
    const guard = await LlamaGuard.load(undefined, { threads: 1 });
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await guard.moderate(long);
    clearInterval(timer);
    // Two long passes: a blocked loop would turn once or twice.
    expect(turns).to.be.greaterThan(10);
    await guard.dispose();
  });

  it('frees its model while a call is running', async () => {
    const guard = await LlamaGuard.load();
    const running = guard.moderate('word '.repeat(600));
    // One long call at a time: this one waits.
    const waiting = guard.moderate('word '.repeat(600)).catch((error: unknown) => error as LlamaGuardError);
    await guard.dispose();
    expect((await running).verdict).to.be.oneOf(['safe', 'unsafe']);
    expect(await waiting).to.have.property('code', 'ERR_LLAMA_GUARD_DISPOSED');
  });

  it('lives beside another one', async () => {
    const guards = await Promise.all([LlamaGuard.load(), LlamaGuard.load()]);
    const [a, b] = await Promise.all(guards.map((guard) => answers(guard, short)));
    expect(a).to.deep.equal(b);
    await Promise.all(guards.map((guard) => guard.dispose()));
  });
});
