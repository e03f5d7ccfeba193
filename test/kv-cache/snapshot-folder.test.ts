// SPDX-License-Identifier: Apache-2.0
// Where snapshots lie, and which folders are not used because of who can write them.

import { chmodSync, chownSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import path from 'node:path';

import { expect } from 'chai';

import { snapshotFolders, userCacheFolder } from '../../lib/kv-cache/snapshot-folder.js';
import { Scratch } from '../support/tiny-checkpoint.js';
import { cacheEnvironment, fakeKv, fakeStore } from './fake-snapshots.js';

const tokens = Uint32Array.of(1, 2, 3);

describe('cache folder of a user', () => {
  type Row = [platform: string, env: Record<string, string>, home: string | undefined, expected: string | undefined];
  const rows: Row[] = [
    ['linux', {}, '/home/u', '/home/u/.cache/llama-guard-int4/snapshots'],
    ['linux', { XDG_CACHE_HOME: '/c' }, '/home/u', '/c/llama-guard-int4/snapshots'],
    ['linux', { XDG_CACHE_HOME: '' }, '/home/u', '/home/u/.cache/llama-guard-int4/snapshots'],
    ['linux', { XDG_CACHE_HOME: 'relative' }, '/home/u', '/home/u/.cache/llama-guard-int4/snapshots'],
    ['linux', { XDG_CACHE_HOME: '/c' }, undefined, '/c/llama-guard-int4/snapshots'],
    ['linux', {}, undefined, undefined],
    ['linux', {}, 'relative', undefined],
    ['android', {}, '/data/data/com.termux/files/home', '/data/data/com.termux/files/home/.cache/llama-guard-int4/snapshots'],
    ['darwin', { XDG_CACHE_HOME: '/c' }, '/Users/u', '/Users/u/Library/Caches/llama-guard-int4/snapshots'],
    ['win32', { LOCALAPPDATA: 'C:\\Users\\u\\AppData\\Local' }, 'C:\\Users\\u', 'C:\\Users\\u\\AppData\\Local\\llama-guard-int4\\snapshots'],
    ['win32', {}, 'C:\\Users\\u', 'C:\\Users\\u\\AppData\\Local\\llama-guard-int4\\snapshots'],
  ];
  for (const [platform, env, home, expected] of rows) {
    it(`on ${platform} with ${JSON.stringify(env)} and home ${home} is ${expected}`, () => {
      expect(userCacheFolder(platform, env, home)).to.equal(expected);
    });
  }
});

describe('folders of snapshots', () => {
  const scratch = new Scratch();
  before(function () {
    // Windows has no permission bits.
    if (process.platform === 'win32') this.skip();
  });
  after(() => scratch.remove());

  /** A folder that all may read and its owner may write, whatever the umask. */
  function modelFolder(): string {
    const folder = scratch.folder();
    chmodSync(folder, 0o755);
    return folder;
  }

  const beside = (folder: string): string => path.join(folder, 'snapshots');

  async function save(folder: string): Promise<string[]> {
    const { store, warnings } = fakeStore(folder);
    await store.save(tokens, fakeKv(tokens));
    return warnings;
  }

  async function pathOfLoaded(folder: string): Promise<string | undefined> {
    const sequence = (await fakeStore(folder).store.load(tokens)) as { path: string } | undefined;
    return sequence && path.dirname(sequence.path);
  }

  it('are the one beside the model and the one of the user, or the one that is told', () => {
    const env = cacheEnvironment(scratch.path());
    const paths = (folder?: string): string[] => snapshotFolders({ modelFolder: '/m', folder, env }).map((found) => found.path);
    expect(paths()[0]).to.equal(path.join('/m', 'snapshots'));
    expect(paths()).to.have.lengthOf(2);
    expect(paths('told')).to.deep.equal([path.resolve('told')]);
  });

  for (const [mode, expected] of [[0o755, 0o755], [0o775, 0o755], [0o777, 0o755], [0o750, 0o750], [0o700, 0o700]] as const) {
    it(`beside a model of mode ${mode.toString(8)} can be written by their owner alone`, async () => {
      const folder = modelFolder();
      chmodSync(folder, mode);
      expect(await save(folder)).to.deep.equal([]);
      expect(statSync(beside(folder)).mode & 0o777).to.equal(expected & ~process.umask());
      expect(await pathOfLoaded(folder)).to.equal(beside(folder));
    });
  }

  it('beside the model are not used where others can write them', async () => {
    const folder = modelFolder();
    await save(folder);
    for (const mode of [0o775, 0o757]) {
      chmodSync(beside(folder), mode);
      expect(await pathOfLoaded(folder), mode.toString(8)).to.equal(undefined);
      expect(await save(folder)).to.deep.equal([]);
      expect(await pathOfLoaded(folder)).to.contain(`${folder}.cache`);
      rmSync(`${folder}.cache`, { recursive: true });
    }
    chmodSync(beside(folder), 0o755);
    expect(await pathOfLoaded(folder)).to.equal(beside(folder));
  });

  it('beside the model are not used where they belong to another user', async function () {
    // Only the superuser can give a folder away.
    if (process.geteuid?.() !== 0) this.skip();
    const folder = modelFolder();
    await save(folder);
    chownSync(beside(folder), 12345, 12345);
    expect(await pathOfLoaded(folder)).to.equal(undefined);
    chownSync(folder, 12345, 12345);
    expect(await pathOfLoaded(folder)).to.equal(beside(folder));
  });

  it('are not used through a symbolic link', async () => {
    const folder = modelFolder();
    const target = scratch.folder();
    symlinkSync(target, beside(folder));
    expect(await save(folder)).to.deep.equal([]);
    expect(readdirSync(target)).to.deep.equal([]);
    expect(await pathOfLoaded(folder)).to.contain(`${folder}.cache`);
  });

  it('of the user are not used where others can write one of their two levels', async () => {
    for (const level of ['.', '..']) {
      const folder = scratch.folder({ snapshots: 'a file' });
      expect(await save(folder)).to.deep.equal([]);
      const cache = (await pathOfLoaded(folder)) ?? '';
      chmodSync(path.join(cache, level), 0o770);
      expect(await pathOfLoaded(folder)).to.equal(undefined);
      const warnings = await save(folder);
      expect(warnings).to.have.lengthOf(1);
      expect(warnings[0]).to.contain(`${cache} (no folder, or one that others can write)`);
    }
  });

  it('that one process removes while another uses them are made again', async () => {
    const folder = modelFolder();
    const { store, warnings } = fakeStore(folder);
    await store.save(tokens, fakeKv(tokens));
    rmSync(beside(folder), { recursive: true });
    expect(await store.load(tokens)).to.equal(undefined);
    await store.save(tokens, fakeKv(tokens));
    expect(await pathOfLoaded(folder)).to.equal(beside(folder));
    expect(warnings).to.deep.equal([]);
  });
});
