// SPDX-License-Identifier: Apache-2.0
// The work that both programs do, so that they do the same: sizes, token ids, clock, and the form of their report.

/** Tokens of the official policy, and of a message with the instruction behind it. */
export const policyTokens = 136;
export const messageTokens = 84;
export const prefillSizes = [64, 256, 512] as const;
export const decodeContext = 512;
export const decodePasses = 32;

/** Ids below this are ordinary tokens in both vocabularies. */
const ordinaryIds = 256;

/** What one process reports. Rates are medians of its runs. */
export interface Report {
  readonly program: string;
  readonly isa: string;
  readonly startMs: number;
  readonly prefillTokensPerS: Readonly<Record<string, number>>;
  readonly decodeTokensPerS: number;
  /** A verdict's pass over a new message, with the policy in the cache. */
  readonly repeatedCallMs: number;
  /** Several at once, the policy in the cache; left out where none were asked for. */
  readonly conversationsPerS?: number;
  /** Before the conversations; in 10^6 bytes. */
  readonly peakRssMB: number;
}

export function tokens(count: number, seed: number): number[] {
  let state = (Math.imul(seed, 2654435761) + 1) >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % ordinaryIds;
  });
}

/** Median seconds of `runs` calls of `once`, after one that is not counted. `once` returns its own seconds. */
export async function medianSeconds(runs: number, once: (run: number) => Promise<number>): Promise<number> {
  await once(0);
  const all: number[] = [];
  for (let run = 1; run <= runs; run++) all.push(await once(run));
  return median(all);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const beginMs = performance.now();
  await work();
  return (performance.now() - beginMs) / 1000;
}

export function peakRssMB(): number {
  return (process.resourceUsage().maxRSS * 1024) / 1e6;
}
