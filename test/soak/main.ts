// SPDX-License-Identifier: Apache-2.0
// npm run test:soak -- [--calls 10000] [--seed 1] [--threads 2] [--json]
// Thousands of calls on the demo model: how they ended, memory, delay of the event loop. Ends with 1 where something
// happened that should not have.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';

import { type MemorySample, rssBytesPerCall, sampleMemory } from './memory.js';
import { Soak, type SoakResult } from './soak.js';

export interface SoakReport extends SoakResult {
  readonly seconds: number;
  readonly memory: readonly MemorySample[];
  readonly rssBytesPerCall: number;
  /** Beyond the interval of the timer that measures it. */
  readonly eventLoopDelayMs: { readonly p50: number; readonly p99: number };
}

const resolutionMs = 1;

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    threads: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
});

async function soak(): Promise<SoakReport> {
  const calls = Number(values.calls);
  const memory: MemorySample[] = [];
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  const onQuiet = (settled: number): void => {
    memory.push(sampleMemory(settled));
    if (!values.json) process.stderr.write(progress(memory.at(-1)!));
  };
  const beginMs = performance.now();
  const options = { calls, seed: Number(values.seed), threads: Number(values.threads), onQuiet, sampleEvery: Math.max(50, calls / 40) };
  const result = await new Soak(options).run();
  delay.disable();
  const ms = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - resolutionMs);
  return {
    ...result,
    seconds: (performance.now() - beginMs) / 1000,
    memory,
    rssBytesPerCall: rssBytesPerCall(memory),
    eventLoopDelayMs: { p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)) },
  };
}

function progress({ calls, rssBytes, heapBytes, externalBytes }: MemorySample): string {
  const mb = (bytes: number): string => (bytes / 1e6).toFixed(1).padStart(7);
  return `> ${String(calls).padStart(6)} calls  rss ${mb(rssBytes)} MB  heap ${mb(heapBytes)} MB  external ${mb(externalBytes)} MB\n`;
}

function reportText(report: SoakReport): string {
  const { p50, p99 } = report.eventLoopDelayMs;
  const rows = Object.entries(report.outcomes).map(([outcome, count]) => `${String(count).padStart(7)}  ${outcome}\n`);
  return [
    ...rows,
    `${report.compared} verdicts compared with those given alone, ${report.faults.length} fault(s)\n`,
    `${report.sequences.made} sequences made, ${report.sequences.live} not disposed\n`,
    `resident memory: ${report.rssBytesPerCall.toFixed(0)} bytes a call after warming up\n`,
    `event loop delay: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms\n`,
    `${report.seconds.toFixed(1)} s\n`,
    ...report.faults.slice(0, 10).map((fault) => `FAULT ${fault}\n`),
  ].join('');
}

const report = await soak();
process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : reportText(report));
if (report.faults.length > 0 || report.sequences.live > 0) process.exitCode = 1;
