// SPDX-License-Identifier: Apache-2.0
// What is removed from a folder of snapshots, in which order, and what never is.

import { mkdirSync, readdirSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { expect } from 'chai';

import { pruneSnapshots } from '../../lib/kv-cache/snapshot-pruning.js';
import { Scratch } from '../support/tiny-checkpoint.js';
import { fakeKv, fakeStore } from './fake-snapshots.js';

const nameOf = (digit: string): string => `prefix-${digit.repeat(32)}.safetensors`;

describe('pruning of snapshots', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  function put(folder: string, name: string, { ageMinutes, bytes = 10 }: { ageMinutes: number; bytes?: number }): void {
    const file = path.join(folder, name);
    writeFileSync(file, '');
    truncateSync(file, bytes);
    const time = new Date(Date.now() - ageMinutes * 60_000);
    utimesSync(file, time, time);
  }

  /** First digits of the snapshots that are left. */
  const left = (folder: string): string => readdirSync(folder).map((name) => name.charAt(7)).sort().join('');

  it('removes the least recently used beyond the number of files', async () => {
    const folder = scratch.folder();
    for (const [digit, ageMinutes] of [['a', 30], ['b', 50], ['c', 10], ['d', 40], ['e', 20]] as const) put(folder, nameOf(digit), { ageMinutes });
    await pruneSnapshots(folder, nameOf('c'), { maxFiles: 3, maxBytes: 1000 });
    expect(left(folder)).to.equal('ace');
  });

  it('removes the least recently used beyond the number of bytes', async () => {
    const folder = scratch.folder();
    for (const [digit, ageMinutes, bytes] of [['a', 1, 40], ['b', 2, 50], ['c', 3, 20], ['d', 4, 5]] as const) {
      put(folder, nameOf(digit), { ageMinutes, bytes });
    }
    await pruneSnapshots(folder, nameOf('a'), { maxFiles: 10, maxBytes: 90 });
    expect(left(folder)).to.equal('ab');
  });

  it('keeps the one that was just written, whatever the clock says', async () => {
    const folder = scratch.folder();
    put(folder, nameOf('a'), { ageMinutes: 999 });
    put(folder, nameOf('b'), { ageMinutes: -999 });
    await pruneSnapshots(folder, nameOf('a'), { maxFiles: 1, maxBytes: 1000 });
    expect(left(folder)).to.equal('a');
  });

  it('removes what a writer left more than an hour ago, and nothing of one that may still write', async () => {
    const folder = scratch.folder();
    put(folder, `${nameOf('a')}.partial-0123456789ab`, { ageMinutes: 61 });
    put(folder, `${nameOf('b')}.partial-0123456789ab`, { ageMinutes: 59 });
    await pruneSnapshots(folder, nameOf('c'), { maxFiles: 1, maxBytes: 1000 });
    expect(left(folder)).to.equal('b');
  });

  it('never touches files of other names, folders or links', async () => {
    const folder = scratch.folder();
    const others = [
      'model.safetensors', 'prefix-0123.safetensors', `${nameOf('a')}.bak`, `x${nameOf('a')}`, nameOf('A'), nameOf('g'),
      `${nameOf('a')}.partial-0123`, `${nameOf('a')}.partial-0123456789ab.old`,
    ];
    for (const name of others) put(folder, name, { ageMinutes: 9999 });
    mkdirSync(path.join(folder, nameOf('1')));
    if (process.platform !== 'win32') symlinkSync(path.join(folder, 'model.safetensors'), path.join(folder, nameOf('2')));
    const before = readdirSync(folder);
    await pruneSnapshots(folder, nameOf('c'), { maxFiles: 0, maxBytes: 0 });
    expect(readdirSync(folder)).to.deep.equal(before);
  });

  it('follows each snapshot that the store writes', async () => {
    const folder = scratch.folder();
    const { store } = fakeStore(folder, { maxFiles: 2 });
    const [first, ...later] = [1, 2, 3].map((id) => Uint32Array.of(id)) as [Uint32Array, ...Uint32Array[]];
    await store.save(first, fakeKv(first));
    const [name = ''] = readdirSync(path.join(folder, 'snapshots'));
    // The clock of a file system may be too coarse to tell three writes apart.
    utimesSync(path.join(folder, 'snapshots', name), new Date(1000), new Date(1000));
    for (const ids of later) await store.save(ids, fakeKv(ids));
    const found = await Promise.all([first, ...later].map((ids) => store.load(ids)));
    expect(found.map((sequence) => sequence !== undefined)).to.deep.equal([false, true, true]);
  });
});
