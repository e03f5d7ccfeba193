// SPDX-License-Identifier: Apache-2.0
// What tools/test-arm64.mjs runs under qemu, and in which order.

import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { expect } from 'chai';

interface Job {
  readonly name: string;
  readonly files: readonly string[];
  readonly seconds: number;
}

interface Suite {
  readonly core: readonly string[];
  readonly leftOut: Readonly<Record<string, string>>;
  readonly seconds: Readonly<Record<string, number>>;
  readonly plan: (files: readonly string[], options: { whole: boolean }) => { jobs: Job[]; leftOut: string[] };
}

const { core, leftOut, seconds, plan } = (await import(pathToFileURL(path.resolve('tools/arm64-suite.mjs')).href)) as Suite;

const costly = Object.keys(seconds).at(-1)!;
const files = ['compress/a', costly, 'package', 'native/emulator/a', 'prompt/a', 'native/a', 'engine/golden', 'prompt/b', 'tools/a'];

describe('the suite under qemu', () => {
  it('names files that are there', () => {
    const names = [...core, ...Object.keys(leftOut), ...Object.keys(seconds)];
    const missing = names.filter((name) => !existsSync(name.endsWith('/') ? `test/${name}` : `test/${name}.test.ts`));
    expect(missing).to.deep.equal([]);
  });

  it('begins with kernels and golden bits, ends with the costliest, and has cheap files of a folder in one process', () => {
    const { jobs } = plan(files, { whole: true });
    const order = [['native/a'], ['engine/golden'], ['package'], ['prompt/a', 'prompt/b'], [costly]];
    expect(jobs.map((job) => job.files)).to.deep.equal(order);
    expect(jobs.at(-1)!.seconds).to.equal(seconds[costly]);
  });

  it('says of each file that is left out why', () => {
    const lines = plan(files, { whole: true }).leftOut;
    expect(lines.map((line) => line.replace(/ \(.+\)$/, ''))).to.deep.equal(['compress/a', 'native/emulator/a', 'tools/a']);
    for (const line of lines) expect(line).to.match(/ \(\w.+\)$/);
  });

  it('is kernels and golden bits alone where it is not whole', () => {
    const part = plan(files, { whole: false });
    expect(part.jobs.flatMap((job) => job.files)).to.deep.equal(['native/a', 'engine/golden']);
    expect(part.leftOut).to.deep.equal([]);
  });
});
