// SPDX-License-Identifier: Apache-2.0
// A streamed answer against the least that its checks can cost: for each check a plain forward pass of as many tokens as
// it computed, on a sequence that holds as many as it found there.

import type { StreamCheck } from '../../lib/index.js';
import { maxPassTokens } from '../../lib/scheduling/passes.js';
import { someWords, type Subject } from './subject.js';

/** What the checks of a stream computed. */
interface CheckSizes {
  /** Milliseconds of the plain passes, all together. */
  readonly plainMs: number;
  readonly computedTokens: number;
}

export interface StreamRound extends CheckSizes {
  /** From the first word that is written to the last that is read. */
  readonly streamMs: number;
  readonly checks: number;
}

export const answerTokens = 300;
export const checkEvery = 20;
const messages = [{ role: 'user' as const, content: 'Tell me a story about a river.' }];

export async function streamRound(subject: Subject): Promise<StreamRound> {
  const pieces = answerOf(subject);
  const checks: StreamCheck[] = [];
  const stream = subject.guard.stream({ messages, checkEvery, threshold: 1, onCheck: (check) => checks.push(check) });
  const beginMs = performance.now();
  await Promise.all([write(stream.writable.getWriter(), pieces), drain(stream.readable)]);
  const streamMs = performance.now() - beginMs;
  return { ...(await plainPasses(subject, checks)), streamMs, checks: checks.length };
}

async function write(writer: WritableStreamDefaultWriter<string>, pieces: readonly string[]): Promise<void> {
  for (const piece of pieces) await writer.write(piece);
  await writer.close();
}

async function drain(readable: AsyncIterable<string>): Promise<void> {
  for await (const _ of readable);
}

/** Words, one a piece, so many that they are at least `answerTokens` tokens together. */
function answerOf({ judge }: Subject): string[] {
  const all = someWords(answerTokens, 7).split(' ').map((word, i) => (i === 0 ? word : ` ${word}`));
  let count = 1;
  while (judge.countTokens(all.slice(0, count).join('')) < answerTokens) count++;
  return all.slice(0, count);
}

async function plainPasses({ judge: { model } }: Subject, checks: readonly StreamCheck[]): Promise<CheckSizes> {
  // "\n\n" is fed behind the prompt, and both positions want logits.
  const steps = checks.map(({ result: { usage } }) => ({
    held: usage.cachedTokens,
    computed: usage.promptTokens - usage.cachedTokens + 1,
  }));
  const longest = Math.max(...steps.map(({ held }) => held));
  const base = model.createSequence();
  for (let at = 0; at < longest; at += maxPassTokens) {
    await model.forward([{ sequence: base, tokens: someIds(Math.min(maxPassTokens, longest - at)), logits: 0 }]);
  }
  let plainMs = 0;
  for (const { held, computed } of steps) {
    const sequence = base.fork(held);
    const tokens = someIds(computed);
    const beginMs = performance.now();
    await model.forward([{ sequence, tokens, logits: 2 }]);
    plainMs += performance.now() - beginMs;
    sequence.dispose();
  }
  base.dispose();
  return { plainMs, computedTokens: steps.reduce((sum, { computed }) => sum + computed, 0) };
}

/** Ids that every vocabulary of 1024 or more has. */
function someIds(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => (1 + i * 2654435761) % 1024);
}
