// SPDX-License-Identifier: Apache-2.0
// A short soak in a process of its own. `npm run test:soak` runs the long one.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { expect } from 'chai';

import type { SoakReport } from './main.js';
import { type MemorySample, rssBytesPerCall } from './memory.js';

const calls = 600;
/** A sequence of this model takes 600,000 bytes: were they kept, the process would grow by some 300 MB. */
const mostGrowthBytes = 100e6;

describe('a soak of mixed calls', function () {
  this.timeout(600_000);
  let report: SoakReport;

  before(async () => {
    const args = ['--expose-gc', 'build/js/test/soak/main.js', '--calls', String(calls), '--json'];
    const run = promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 26 });
    // It ends with 1 where there are faults, which its report tells better.
    const { stdout } = await run.catch((error: Error & { code: number; stdout: string }) => (error.code === 1 ? error : Promise.reject(error)));
    report = JSON.parse(stdout) as SoakReport;
  });

  it('settles every call, with the verdict that it gets alone or a typed error', () => {
    expect(report.faults).to.deep.equal([]);
    const settled = Object.entries(report.outcomes).reduce((sum, [name, count]) => (name.startsWith('stream') ? sum : sum + count), 0);
    expect(settled).to.be.at.least(calls);
    expect(report.compared).to.be.at.least(calls / 3);
  });

  it('holds calls of every kind', () => {
    const kinds = ['verdict', 'terminated', 'stream: ended', ...['ABORTED', 'DEADLINE', 'OVERLOADED', 'CONTEXT_OVERFLOW'].map((code) => `ERR_LLAMA_GUARD_${code}`)];
    expect(report.outcomes).to.include.all.keys(...kinds);
  });

  it('disposes every sequence', () => {
    expect(report.sequences.made).to.be.greaterThan(calls / 3);
    expect(report.sequences.live).to.equal(0);
  });

  // The sanitizers keep freed memory for a while.
  (process.env['ASAN_OPTIONS'] === undefined ? it : it.skip)('does not grow with the calls', () => {
    expect(report.memory.length).to.be.at.least(10);
    expect(report.rssBytesPerCall * calls).to.be.lessThan(mostGrowthBytes);
  });
});

describe('the slope of memory over calls', () => {
  const samples = (rss: (calls: number) => number): MemorySample[] =>
    Array.from({ length: 11 }, (_, i) => ({ calls: 100 * i, rssBytes: rss(100 * i), heapBytes: 0, externalBytes: 0 }));

  it('leaves out what comes before memory is warm, and one sample out of line', () => {
    expect(rssBytesPerCall(samples((at) => (at < 300 ? 100 * at : 1e6)))).to.equal(0);
    expect(rssBytesPerCall(samples((at) => 1e6 + 7 * at + (at === 600 ? 1e7 : 0)))).to.equal(7);
  });
});
