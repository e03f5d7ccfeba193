// SPDX-License-Identifier: Apache-2.0
// Memory of this process while a soak goes on, and how fast it grows.

export interface MemorySample {
  /** Calls that had settled. */
  readonly calls: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
  /** Outside of the JavaScript heap, as far as V8 knows. */
  readonly externalBytes: number;
}

/** After a garbage collection; needs --expose-gc. */
export function sampleMemory(calls: number): MemorySample {
  globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { calls, rssBytes: rss, heapBytes: heapUsed, externalBytes: external };
}

/** Part of a soak, at its begin, in which caches fill and the heap finds its size. */
const warmUp = 0.3;

/**
 * Bytes of resident memory that a call leaves behind, after warming up.
 *
 * The median of the slopes between all pairs of samples (Theil-Sen): one sample out of line does not move it.
 */
export function rssBytesPerCall(samples: readonly MemorySample[]): number {
  const last = samples.at(-1)?.calls ?? 0;
  const steady = samples.filter(({ calls }) => calls >= warmUp * last);
  const slopes = steady.flatMap((a, i) => steady.slice(i + 1).map((b) => (b.rssBytes - a.rssBytes) / (b.calls - a.calls)));
  return slopes.sort((a, b) => a - b)[slopes.length >> 1] ?? 0;
}
