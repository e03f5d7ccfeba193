// SPDX-License-Identifier: Apache-2.0
// What a guard answers does not depend on what else it does: random mixes of calls, streams and aborts, with every
// instruction set of this machine, give each call the bits that it gets alone, from a guard with one thread and no cache.
// LLAMA_GUARD_TEST_RUNS multiplies the number of mixes.

import { expect } from 'chai';
import fc from 'fast-check';

import { type CallOptions, LlamaGuard, type LoadOptions, type MessageInput, type ModerateOptions, type Span, type StreamCheck } from '../../lib/index.js';
import { loadAddon } from '../../lib/native/load-addon.js';
import { maxPassTokens } from '../../lib/scheduling/passes.js';
import { callOptions, conversations, listOptions, messagesOf, shortConversations } from '../support/conversations.js';
import { Scratch } from '../support/tiny-checkpoint.js';
import { bits, type Outcome, outcomeOf } from '../support/verdict-bits.js';
import { anyText } from '../tokenizer/arbitraries.js';

interface Call {
  readonly messages: readonly MessageInput[];
  readonly options: ModerateOptions;
  /** Milliseconds after the mix began. */
  readonly beginMs: number;
  /** Milliseconds after which its signal fires. */
  readonly abortMs: number | undefined;
}

interface Answer {
  readonly messages: readonly MessageInput[];
  readonly options: CallOptions;
  readonly chunks: readonly (string | Uint8Array)[];
  readonly checkEvery: number;
}

interface Mix {
  readonly load: LoadOptions;
  readonly calls: readonly Call[];
  readonly answers: readonly Answer[];
}

/** Text cut at random places, as strings or as UTF-8 bytes. */
const chunks: fc.Arbitrary<(string | Uint8Array)[]> = fc
  .tuple(fc.array(anyText, { minLength: 2, maxLength: 12 }), fc.array(fc.nat(400), { maxLength: 12 }), fc.boolean())
  .map(([texts, cuts, asBytes]) => {
    const whole = asBytes ? new TextEncoder().encode(texts.join(' ')) : texts.join(' ');
    const ends = [...cuts.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b), whole.length];
    return ends.map((end, i) => whole.slice(ends[i - 1] ?? 0, end));
  });

function calls(messages: fc.Arbitrary<readonly MessageInput[]>, most: number): fc.Arbitrary<Call[]> {
  const beginMs = fc.oneof(fc.constant(0), fc.nat(30));
  const never = fc.constant(undefined);
  const abortMs = fc.oneof({ weight: 3, arbitrary: never }, { weight: 1, arbitrary: fc.nat(40) });
  return fc.array(fc.record({ messages, options: callOptions, beginMs, abortMs }), { minLength: 1, maxLength: most });
}

function answers(most: number): fc.Arbitrary<Answer[]> {
  const messages = fc.constant(messagesOf(['Tell me a story.']));
  return fc.array(fc.record({ messages, options: listOptions, chunks, checkEvery: fc.integer({ min: 1, max: 40 }) }), { maxLength: most });
}

/** Snapshots that one instruction set has written serve the others. */
const scratch = new Scratch();
const caches: readonly LoadOptions[] = [{ cache: true }, { cache: false }, { policyCacheEntries: 1, snapshots: scratch.folder() }];
const loads = fc.tuple(fc.constantFrom(...caches), fc.integer({ min: 1, max: 3 })).map(([cache, threads]) => ({ ...cache, threads }));

const mixes: fc.Arbitrary<Mix> = fc.record({ load: loads, calls: calls(conversations(), 8), answers: answers(2) });
/** For kernels that take a hundred times as long. */
const smallMixes: fc.Arbitrary<Mix> = fc.record({ load: loads, calls: calls(shortConversations, 2), answers: answers(1) });

const runs = Number(process.env['LLAMA_GUARD_TEST_RUNS'] ?? 1);

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('a verdict', function () {
  this.timeout(600_000);
  const guards = new Map<string, Promise<LlamaGuard>>();
  const known = new Map<string, Promise<Outcome>>();
  const seen = { verdicts: 0, flagged: 0, longerThanAPass: 0, aborted: 0, checks: 0, sharedPasses: 0 };

  function guardWith(options: LoadOptions): Promise<LlamaGuard> {
    const key = JSON.stringify(options);
    const onSpan = ({ sequences = 0 }: Span): unknown => sequences > 1 && seen.sharedPasses++;
    const guard = guards.get(key) ?? LlamaGuard.load(undefined, { ...options, onSpan });
    guards.set(key, guard);
    return guard;
  }

  /** What a call gives by itself; the same call is judged once. */
  async function alone(messages: readonly MessageInput[], options: ModerateOptions): Promise<Outcome> {
    const key = JSON.stringify([messages, options]);
    const guard = await guardWith({ threads: 1, cache: false });
    const answer = known.get(key) ?? outcomeOf(guard.moderate(messages, options));
    known.set(key, answer);
    return answer;
  }

  async function runCall(guard: LlamaGuard, { messages, options, beginMs, abortMs }: Call): Promise<Outcome> {
    await wait(beginMs);
    const controller = new AbortController();
    const answer = outcomeOf(guard.moderate(messages, { ...options, signal: controller.signal }));
    if (abortMs !== undefined) setTimeout(() => controller.abort(), abortMs);
    return answer;
  }

  /** Streams an answer without stopping it; its checks, and the text that came out. */
  async function runAnswer(guard: LlamaGuard, { messages, options, chunks: parts, checkEvery }: Answer): Promise<{ checks: StreamCheck[]; text: string }> {
    const checks: StreamCheck[] = [];
    const stream = guard.stream({ ...options, messages, checkEvery, mode: 'audit', onCheck: (check) => checks.push(check) });
    const writer = stream.writable.getWriter();
    void (async () => {
      for (const part of parts) await writer.write(part);
      await writer.close();
    })();
    let text = '';
    for await (const part of stream.readable) text += part;
    await stream.report;
    return { checks, text };
  }

  async function judgeMix({ load, calls: all, answers: streamed }: Mix, isa: string): Promise<void> {
    const guard = await guardWith({ ...load, isa });
    const outcomes = Promise.all(all.map((call) => runCall(guard, call)));
    const texts = await Promise.all(streamed.map((answer) => runAnswer(guard, answer)));
    for (const [i, found] of (await outcomes).entries()) {
      const { messages, options, abortMs } = all[i]!;
      if (found === 'ERR_LLAMA_GUARD_ABORTED' && abortMs !== undefined) seen.aborted++;
      else expect(found, `call ${i}`).to.deep.equal(await alone(messages, options));
      count(found);
    }
    for (const [i, { checks, text }] of texts.entries()) {
      const { messages, options } = streamed[i]!;
      for (const { result, length } of checks) {
        const wanted = await alone([...messages, { role: 'assistant', content: text.slice(0, length) }], options);
        expect(bits(result), `check of ${length} characters of answer ${i}`).to.deep.equal(wanted);
      }
      seen.checks += checks.length;
    }
  }

  function count(found: Outcome): void {
    if (typeof found === 'string') return;
    seen.verdicts++;
    if (found.flagged) seen.flagged++;
    if (found.promptTokens > maxPassTokens) seen.longerThanAPass++;
  }

  after(async () => {
    for (const guard of guards.values()) await (await guard).dispose();
    scratch.remove();
  });

  for (const { name, supported } of loadAddon().isas()) {
    const title = `on ${name} has the bits of the call alone, whatever runs beside it, streamed or at once, cached or not, from a snapshot or not`;
    if (!supported) {
      it.skip(title);
      continue;
    }
    it(title, async () => {
      const [mix, numRuns] = name === 'scalar' ? [smallMixes, 2] : [mixes, 12];
      await fc.assert(fc.asyncProperty(mix, (one) => judgeMix(one, name)), { seed: 20261123, numRuns: Math.ceil(numRuns * runs), endOnFailure: true });
    });
  }

  it('was given in all these situations', () => {
    for (const [situation, times] of Object.entries(seen)) expect(times, situation).to.be.greaterThan(0);
  });
});
