// SPDX-License-Identifier: Apache-2.0
// Counters and spans of a guard over a fake addon: every call is counted once by how it ended, passes account for every
// token, and a listener that throws changes nothing.

import { expect } from 'chai';

import type { GuardStats, ModerationResult, Span } from '../../lib/index.js';
import { codeOf } from '../support/error-code.js';
import { fakeGuard, speaks } from '../support/fake-guard.js';

const words = (count: number): string => 'word '.repeat(count);

/** Process warnings that are given while `work` runs. */
async function warningsDuring(work: () => Promise<unknown>): Promise<unknown[]> {
  const heard: unknown[] = [];
  const { emitWarning } = process;
  process.emitWarning = (...warning: unknown[]) => heard.push(warning);
  try {
    await work();
  } finally {
    process.emitWarning = emitWarning;
  }
  return heard;
}

function outcomes({ calls, verdicts, flagged, aborted, overdue, overloaded, failed }: GuardStats): object {
  return { calls, verdicts, flagged, aborted, overdue, overloaded, failed };
}

describe('telemetry', () => {
  it('counts every call once, by how it ended', async () => {
    let held = false;
    const open: (() => void)[] = [];
    const beforePass = (): Promise<void> | void => (held ? new Promise((resolve) => open.push(resolve)) : undefined);
    const { guard } = await fakeGuard({ logitsAfter: speaks([]), beforePass }, { maxQueue: 0 });
    await guard.moderate('a');
    await guard.moderate('b', { threshold: 0.1 });
    expect(await codeOf(() => guard.moderate(''))).to.equal('ERR_LLAMA_GUARD_EMPTY_CONVERSATION');
    expect(await codeOf(() => guard.moderate('c', { signal: AbortSignal.abort() }))).to.equal('ERR_LLAMA_GUARD_ABORTED');
    held = true;
    const late = codeOf(() => guard.moderate('d', { timeoutMs: 1 }));
    const long = guard.moderate(words(600));
    expect(await codeOf(() => guard.moderate(words(600)))).to.equal('ERR_LLAMA_GUARD_OVERLOADED');
    expect(await late).to.equal('ERR_LLAMA_GUARD_DEADLINE');
    // One call still runs.
    expect(outcomes(guard.stats())).to.deep.equal({ calls: 7, verdicts: 2, flagged: 1, aborted: 1, overdue: 1, overloaded: 1, failed: 1 });
    expect(guard.stats()).to.include({ running: 1, waiting: 0 });
    held = false;
    for (const release of open) release();
    await long;
    expect(guard.stats()).to.include({ calls: 7, verdicts: 3, running: 0, waiting: 0 });
    await guard.dispose();
    expect(await codeOf(() => guard.moderate('e'))).to.equal('ERR_LLAMA_GUARD_DISPOSED');
    expect(guard.stats()).to.include({ calls: 8, verdicts: 3, failed: 2 });
  });

  it('accounts for every token that a pass computed and every one that was there already', async () => {
    const spans: Span[] = [];
    const { guard, addon } = await fakeGuard({ logitsAfter: speaks(['S1']) }, { onSpan: (span) => spans.push(span) });
    const texts = ['a', words(40), words(300), 'b'];
    const results = await Promise.all(texts.map((text) => guard.moderate(text)));
    const stats = guard.stats();
    const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
    expect(stats.passes).to.equal(addon.batches.length);
    expect(stats.computedTokens).to.equal(sum(addon.batches));
    expect(stats.cachedTokens).to.equal(sum(results.map(({ usage }) => usage.cachedTokens)));
    const passes = spans.filter(({ name }) => name === 'pass');
    expect(passes.map(({ tokens }) => tokens)).to.deep.equal(addon.batches);
    expect(sum(passes.map(({ sequences = 0 }) => sequences))).to.equal(addon.passes.length);
    expect(stats.passMs).to.be.closeTo(sum(passes.map(({ durationMs }) => durationMs)), 1e-6);
    await guard.dispose();
  });

  it('gives spans of the parts of a call, which agree with its timings', async () => {
    const spans: Span[] = [];
    const { guard } = await fakeGuard({ logitsAfter: speaks(['S1']) }, { onSpan: (span) => spans.push(span) });
    const { timings } = await guard.moderate('a');
    const parts = spans.filter(({ name }) => name !== 'pass');
    expect(parts.map(({ name }) => name)).to.deep.equal(['tokenize', 'queue', 'prefill', 'decode']);
    const wanted = [timings.tokenizeMs, timings.queueMs, timings.prefillMs, timings.decodeMs];
    expect(parts.map(({ durationMs }) => durationMs)).to.deep.equal(wanted);
    for (const span of spans) expect(Object.keys(span)).to.have.members(span.name === 'pass' ? [...spanKeys, 'tokens', 'sequences'] : spanKeys);
    await guard.dispose();
  });

  it('keeps the sum of all waits and the longest one', async () => {
    const queues: number[] = [];
    const onSpan = ({ name, durationMs }: Span): unknown => name === 'queue' && queues.push(durationMs);
    const { guard } = await fakeGuard({ logitsAfter: speaks([]) }, { onSpan });
    await Promise.all([1, 2, 3].map(() => guard.moderate(words(600))));
    const { waitMs, longestWaitMs } = guard.stats();
    expect(queues).to.have.lengthOf(3);
    expect(waitMs).to.be.closeTo(queues.reduce((sum, wait) => sum + wait, 0), 1e-6);
    expect(longestWaitMs).to.equal(Math.max(...queues));
    await guard.dispose();
  });

  it('judges as without a listener when the listener throws, whatever it throws, and warns once', async () => {
    const bare: unknown = Object.create(null);
    for (const [thrown, text] of [[new Error('made up'), 'made up'], [bare, 'a value of type object'], [Symbol('s'), 'a value of type symbol']] as const) {
      const onSpan = (): never => {
        throw thrown;
      };
      const { guard, addon } = await fakeGuard({ logitsAfter: speaks(['S1']) }, { onSpan });
      let result: ModerationResult | undefined;
      const warnings = await warningsDuring(async () => {
        result = await guard.moderate('a');
        await guard.moderate('b');
      });
      expect(warnings).to.deep.equal([[`The listener onSpan threw: ${text}`, 'LlamaGuardWarning']]);
      expect(result?.categories.map(({ code }) => code)).to.deep.equal(['S1']);
      await guard.dispose();
      expect(addon.liveSequences).to.equal(0);
    }
  });
});

const spanKeys = ['name', 'beginMs', 'durationMs'];
