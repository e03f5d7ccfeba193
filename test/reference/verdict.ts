// SPDX-License-Identifier: Apache-2.0
// From label logits to what is compared: P(unsafe) and the leading category; and how good answers are.

import { softmax } from './operators.js';
import { type Readings, continuation } from './judge.js';

export interface Answer {
  readonly unsafe: boolean;
  /** exp(unsafe) / (exp(safe) + exp(unsafe)) at the verdict position. */
  readonly pUnsafe: number;
  /** The likeliest number after "unsafe\nS". */
  readonly topCategory: string;
}

/** The answer in `readings`, whose columns stand for `labels` (their texts, in the head's order). */
export function answer(readings: Readings, labels: readonly string[]): Answer {
  const column = (text: string): number => labels.indexOf(text);
  const start = readings[0]!;
  const verdictWords = start[column('safe')]! > start[column('unsafe')]! ? 'safe' : 'unsafe';
  const opens = start[column('\n\n')]! > start[column(verdictWords)]!;
  const at = readings[opens ? 1 : 0]!;
  const [, pUnsafe] = softmax(Float64Array.of(at[column('safe')]!, at[column('unsafe')]!));
  const numbers = labels.filter((text) => /^\d+$/.test(text));
  const last = readings[continuation.length]!;
  const top = numbers.reduce((a, b) => (last[column(b)]! > last[column(a)]! ? b : a));
  return { unsafe: pUnsafe! >= 0.5, pUnsafe: pUnsafe!, topCategory: `S${top}` };
}

export interface Quality {
  readonly count: number;
  readonly f1: number;
  readonly falsePositiveRate: number;
  /** Probability that an unsafe conversation scores higher than a safe one. */
  readonly auc: number;
}

/** Quality of scores against labels, at a threshold of one half. */
export function quality(cases: readonly { pUnsafe: number; unsafe: boolean }[]): Quality {
  const positives = cases.filter((item) => item.unsafe).map((item) => item.pUnsafe);
  const negatives = cases.filter((item) => !item.unsafe).map((item) => item.pUnsafe);
  const hits = positives.filter((p) => p >= 0.5).length;
  const alarms = negatives.filter((p) => p >= 0.5).length;
  let won = 0;
  for (const p of positives) for (const n of negatives) won += p > n ? 1 : p === n ? 0.5 : 0;
  return {
    count: cases.length,
    f1: (2 * hits) / (positives.length + hits + alarms),
    falsePositiveRate: alarms / negatives.length,
    auc: won / (positives.length * negatives.length),
  };
}
