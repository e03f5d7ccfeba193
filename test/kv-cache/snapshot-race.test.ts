// SPDX-License-Identifier: Apache-2.0
// Processes that write, read and evict the same snapshots at the same time: every read gives whole bytes or nothing.

import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';

import { expect } from 'chai';

import { Scratch } from '../support/tiny-checkpoint.js';
import { supportModule } from './fake-snapshots.js';

interface Report {
  readonly warnings: readonly string[];
  readonly loaded: number;
  readonly wrong: number;
}

const rounds = 100;

/** A process that saves or loads three prefixes in turn, in a folder that holds two. */
function start(role: 'write' | 'read', folder: string): { report: Promise<Report>; stop: () => void } {
  const script = `
    const { fakeStore, fakeKv } = await import(${JSON.stringify(supportModule)});
    const { store, warnings } = fakeStore(process.argv[1], { maxFiles: 2 });
    let stopped = false;
    let [loaded, wrong] = [0, 0];
    process.stdin.on('end', () => { stopped = true; }).resume();
    for (let round = 0; ${role === 'write' ? `round < ${rounds}` : '!stopped'}; round++) {
      const tokens = Uint32Array.from({ length: 2000 }, (_, i) => i * (round % 3));
      const kv = fakeKv(tokens);
      if (${role === 'write'}) await store.save(tokens, kv);
      const sequence = await store.load(tokens);
      if (sequence) loaded++;
      if (sequence && Buffer.compare(sequence.exportKv(), kv) !== 0) wrong++;
    }
    process.stdout.write(JSON.stringify({ warnings, loaded, wrong }));
    process.stdin.destroy();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  const report = (async () => {
    let output = '';
    for await (const text of child.stdout.setEncoding('utf8')) output += text as string;
    return JSON.parse(output) as Report;
  })();
  return { report, stop: () => void child.stdin.end() };
}

describe('snapshots of several processes', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  it('are never read in part, and leave nothing behind', async function () {
    this.timeout(120_000);
    const folder = scratch.folder();
    const reader = start('read', folder);
    const writers = [start('write', folder), start('write', folder)];
    const reports = await Promise.all(writers.map(({ report }) => report));
    reader.stop();
    reports.push(await reader.report);
    for (const { warnings, wrong, loaded } of reports) {
      expect({ warnings, wrong }).to.deep.equal({ warnings: [], wrong: 0 });
      expect(loaded).to.be.greaterThan(0);
    }
    const names = readdirSync(path.join(folder, 'snapshots'));
    expect(names.filter((name) => !/^prefix-[0-9a-f]{32}\.safetensors$/.test(name))).to.deep.equal([]);
    expect(names.length).to.be.within(1, 3);
  });
});
