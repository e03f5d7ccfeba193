// SPDX-License-Identifier: Apache-2.0
// A process of its own for figures of memory. Argument: a FreshWork as JSON. Prints a FreshReport as JSON.

import { readFileSync } from 'node:fs';

import { conversationOf, openSubject, type Subject, type SubjectOptions } from './subject.js';

export interface FreshWork extends SubjectOptions {
  /** Tokens of each conversation after its policy. */
  readonly tokens: number;
  /** Judged at once. */
  readonly conversations: number;
  /** As answers of streams, all of which stay open: their keys and values are held at the same time. */
  readonly open: boolean;
}

export interface FreshReport {
  readonly weightBytes: number;
  /** Of the conversations alone. */
  readonly kvBytes: number;
  /** Largest resident memory; and what was of no file when all had been judged (Linux). */
  readonly peakRssBytes: number;
  readonly anonymousBytes: number | undefined;
}

const work = JSON.parse(process.argv[2]!) as FreshWork;
const subject = await openSubject(work);
await judgeAll(subject);
const report: FreshReport = {
  weightBytes: subject.judge.model.weightBytes,
  kvBytes: work.conversations * work.tokens * subject.judge.model.kvBytesPerToken,
  peakRssBytes: process.resourceUsage().maxRSS * 1024,
  anonymousBytes: anonymousBytes(),
};
process.stdout.write(`${JSON.stringify(report)}\n`);
await subject.guard.dispose();

async function judgeAll({ guard, judge }: Subject): Promise<void> {
  const question = [{ role: 'user' as const, content: 'Tell me a story.' }];
  const ofSeed = (seed: number) => conversationOf(judge, work.tokens, seed, work.open ? question : []);
  const conversations = Array.from({ length: work.conversations }, (_, i) => ofSeed(i));
  const streamed = (answer: string): Promise<unknown> =>
    new Promise((resolve) => {
      const stream = guard.stream({ messages: question, mode: 'audit', checkEvery: 1, onCheck: resolve });
      void stream.writable.getWriter().write(answer);
    });
  await Promise.all(conversations.map((messages) => {
    return work.open ? streamed(messages.at(-1)!.content as string) : guard.moderate(messages);
  }));
}

function anonymousBytes(): number | undefined {
  try {
    const kilobytes = /^Anonymous:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}
