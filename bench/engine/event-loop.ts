// SPDX-License-Identifier: Apache-2.0
// The delay of the event loop while calls keep the machine busy.

import { monitorEventLoopDelay } from 'node:perf_hooks';

import type { MessageInput } from '../../lib/index.js';
import { conversationOf, type Subject } from './subject.js';

export interface LoopDelay {
  /** Milliseconds beyond the interval of the timer that measures. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Verdicts meanwhile. */
  readonly verdicts: number;
}

export const lanes = 32;
const resolutionMs = 1;

/** `lanes` calls at a time, each lane beginning the next when one is answered; `seconds` long. */
export async function loopDelay({ guard, judge }: Subject, seconds: number): Promise<LoopDelay> {
  const conversations = Array.from({ length: lanes }, (_, i) => conversationOf(judge, 70 + 13 * i, i));
  await guard.moderate(conversations[0]!);
  const monitor = monitorEventLoopDelay({ resolution: resolutionMs });
  monitor.enable();
  const endMs = performance.now() + 1000 * seconds;
  let verdicts = 0;
  const lane = async (messages: readonly MessageInput[]): Promise<void> => {
    while (performance.now() < endMs) {
      await guard.moderate(messages);
      verdicts++;
    }
  };
  await Promise.all(conversations.map(lane));
  monitor.disable();
  const ms = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - resolutionMs);
  return { p50: ms(monitor.percentile(50)), p99: ms(monitor.percentile(99)), max: ms(monitor.max), verdicts };
}
