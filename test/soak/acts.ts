// SPDX-License-Identifier: Apache-2.0
// The kinds of things that a soak does, with how often it does them.

import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

import type { ModerationStream, StreamCheck } from '../../lib/index.js';
import { LlamaGuardError } from '../../lib/index.js';
import { bits, outcomeOf } from '../support/verdict-bits.js';
import { answers, faults, question } from './inputs.js';
import type { Soak } from './soak.js';
import type { WorkerData, WorkerMessage } from './worker.js';

export type Act = (soak: Soak) => Promise<void>;

/** Out of a thousand. */
const acts: readonly (readonly [number, Act])[] = [
  [616, judged],
  [140, aborted],
  [70, overdue],
  [70, refused],
  [70, streamed],
  [4, burst],
  [25, thread],
  [5, (soak) => soak.replaceGuard()],
];

export const everyAct: readonly Act[] = acts.map(([, act]) => act);

/** @param chance from 0 to 1, 1 excluded */
export function chooseAct(chance: number): Act {
  let left = chance * 1000;
  const found = acts.find(([share]) => (left -= share) < 0);
  return found?.[1] ?? judged;
}

function judged(soak: Soak): Promise<void> {
  return soak.call(soak.pick(soak.inputs));
}

async function aborted(soak: Soak): Promise<void> {
  const controller = new AbortController();
  const call = soak.call(soak.pick(soak.inputs), { signal: controller.signal }, ['ERR_LLAMA_GUARD_ABORTED']);
  const delay = soak.below(60);
  if (delay === 0) controller.abort();
  else setTimeout(() => controller.abort(), delay);
  await call;
}

function overdue(soak: Soak): Promise<void> {
  return soak.call(soak.pick(soak.inputs), { timeoutMs: soak.below(60) }, ['ERR_LLAMA_GUARD_DEADLINE']);
}

async function refused(soak: Soak): Promise<void> {
  const { messages, options, code } = soak.pick(faults);
  soak.begin();
  const found = await outcomeOf(soak.guard.moderate(messages, options));
  soak.count(typeof found === 'string' ? found : 'verdict');
  if (found !== code) soak.fault(`expected ${code}, found ${JSON.stringify(found)}`);
}

/** More calls than may wait. */
async function burst(soak: Soak): Promise<void> {
  await Promise.all(Array.from({ length: 80 }, () => soak.call(soak.pick(soak.inputs))));
}

/** A stream that runs to its end, or is ended from one of its sides. */
async function streamed(soak: Soak): Promise<void> {
  const pieces = soak.pick(answers);
  const checks: StreamCheck[] = [];
  const controller = new AbortController();
  const options = { threshold: 1, labels: true };
  const stream = soak.guard.stream({
    ...options,
    messages: question,
    mode: soak.pick(['buffer', 'window', 'audit'] as const),
    checkEvery: 10,
    signal: controller.signal,
    onCheck: (check) => {
      soak.begin();
      checks.push(check);
    },
  });
  const end = soak.pick([undefined, undefined, 'reader', 'writer', 'signal', 'disposal']);
  if (end === 'signal') setTimeout(() => controller.abort(), soak.below(80));
  await Promise.all([
    write(stream, pieces, end === 'writer' ? soak.below(pieces.length) : Infinity),
    read(stream, end === 'reader' ? 1 : Infinity),
    end === 'disposal' ? wait(soak.below(80)).then(() => soak.replaceGuard()) : undefined,
  ]);
  soak.count(`stream: ${await stream.report.then(() => 'ended', codeOf)}`);
  for (const { result, length } of checks) {
    const messages = [...question, { role: 'assistant' as const, content: pieces.join('').slice(0, length) }];
    await soak.check({ messages, options }, bits(result), []);
  }
}

/** Writes pieces, but no more than `most` before it gives up. */
async function write(stream: ModerationStream, pieces: readonly string[], most: number): Promise<void> {
  const writer = stream.writable.getWriter();
  try {
    for (const piece of pieces.slice(0, most)) await writer.write(piece);
    if (pieces.length > most) await writer.abort('the writer gives up');
    else await writer.close();
  } catch {
    // The stream failed or was cancelled, which its report says.
  }
}

async function read(stream: ModerationStream, most: number): Promise<void> {
  const reader = stream.readable.getReader();
  try {
    for (let i = 0; i < most; i++) if ((await reader.read()).done) return;
    await reader.cancel('the reader gives up');
  } catch {
    // As above.
  }
}

function codeOf(error: unknown): string {
  return LlamaGuardError.isInstance(error) ? error.code : String(error);
}

/** A worker thread with a guard of its own, most often terminated: while it loads, or in the middle of its calls. */
async function thread(soak: Soak): Promise<void> {
  const chosen = Array.from({ length: 1 + soak.below(4) }, () => soak.pick(soak.inputs));
  const workerData: WorkerData = { inputs: chosen, snapshots: soak.snapshots };
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData });
  const exit = once(worker, 'exit');
  const unanswered = new Set<number>();
  const checks: Promise<void>[] = [];
  worker.on('error', (error) => soak.fault(`a worker failed: ${String(error)}`));
  worker.on('message', ({ index, outcome }: WorkerMessage) => {
    if (outcome === undefined) {
      soak.begin();
      unanswered.add(index);
    } else {
      unanswered.delete(index);
      checks.push(soak.check(chosen[index]!, outcome, []));
    }
  });
  const isTerminated = soak.below(4) > 0;
  if (isTerminated) {
    const begun = soak.below(3) > 0 ? once(worker, 'message') : Promise.resolve();
    const delay = soak.below(120);
    void begun.then(() => setTimeout(() => void worker.terminate(), delay));
  }
  await exit;
  for (const _ of unanswered) soak.count('terminated');
  if (unanswered.size > 0 && !isTerminated) soak.fault('a worker ended before its calls');
  await Promise.all(checks);
}
