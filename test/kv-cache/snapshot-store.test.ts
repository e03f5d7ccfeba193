// SPDX-License-Identifier: Apache-2.0
// Snapshots of policy prefixes: what was saved comes back with the same bytes, wherever it could be written.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import path from 'node:path';

import { expect } from 'chai';
import fc from 'fast-check';

import { openSafetensors } from '../../lib/formats/safetensors.js';
import { userCacheFolder } from '../../lib/kv-cache/snapshot-folder.js';
import { Scratch } from '../support/tiny-checkpoint.js';
import {
  cacheEnvironment,
  fakeKv,
  FakeMapped,
  fakeStore,
  type SavedSnapshot,
  saveSnapshot,
  segmentBytes,
  supportModule,
  tokens,
} from './fake-snapshots.js';

describe('snapshot store', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  const saved = (ids: Uint32Array = tokens): Promise<SavedSnapshot> => saveSnapshot(scratch.folder(), ids);

  async function load(folder: string, ids: Uint32Array = tokens): Promise<FakeMapped | undefined> {
    const { store, warnings } = fakeStore(folder);
    const sequence = await store.load(ids);
    expect(warnings).to.deep.equal([]);
    return sequence as FakeMapped | undefined;
  }

  it('gives back what it saved, from a file beside the model', async () => {
    const { folder, file } = await saved();
    const sequence = await load(folder);
    expect(sequence).to.include({ length: 5, path: file });
    expect(sequence?.kv).to.deep.equal(fakeKv(tokens));
  });

  it('writes a file that any reader of safetensors can list', async () => {
    const { file } = await saved();
    expect(path.basename(file)).to.match(/^prefix-[0-9a-f]{32}\.safetensors$/);
    const reader = await openSafetensors(file);
    expect([...reader.tensors.values()].map(({ name, dtype, shape, begin }) => [name, dtype, shape, begin % 64])).to.deep.equal([
      ['tokens', 'U32', [5], 0], ['pad.0', 'U8', [44], 20], ['kv', 'F16', [2, 20], 0], ['pad.1', 'U8', [48], 16],
    ]);
    expect(Buffer.from(await reader.read('tokens')).toString('hex')).to.equal('00f4010007000000ffffffff0000000009000000');
    expect(await reader.read('kv')).to.deep.equal(fakeKv(tokens));
    expect(reader.metadata.get('modelKey')).to.equal('a'.repeat(64));
    await reader.close();
  });

  it('writes the same bytes each time', async () => {
    const [first, second] = [await saved(), await saved()];
    expect(path.basename(first.file)).to.equal(path.basename(second.file));
    expect(readFileSync(first.file).equals(readFileSync(second.file))).to.equal(true);
  });

  it('has nothing for other tokens or another model', async () => {
    const { folder } = await saved();
    for (const other of [[128000], [128000, 7, 4294967295, 0, 8], [128000, 7, 4294967295, 0, 9, 9], [7, 128000, 4294967295, 0, 9]]) {
      expect(await load(folder, Uint32Array.from(other))).to.equal(undefined);
    }
    const { store, warnings } = fakeStore(folder, { modelKey: 'b'.repeat(64) });
    expect(await store.load(tokens)).to.equal(undefined);
    expect(warnings).to.deep.equal([]);
  });

  it('gives for any list of tokens the bytes of just that list', async () => {
    const folder = scratch.folder();
    const list = fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { minLength: 1, maxLength: 40 });
    const lists = fc.uniqueArray(list, { minLength: 2, maxLength: 5, selector: (ids) => ids.join() });
    await fc.assert(
      fc.asyncProperty(lists, async ([left, ...rest]) => {
        const absent = Uint32Array.from(left ?? []);
        const kept = rest.map((ids) => Uint32Array.from(ids));
        const { store, warnings } = fakeStore(mkdtempSync(path.join(folder, 'm-')));
        for (const ids of kept) await store.save(ids, fakeKv(ids));
        for (const ids of kept) {
          expect(await store.load(ids)).to.include({ length: ids.length });
          expect((await store.load(ids))?.exportKv()).to.deep.equal(fakeKv(ids));
        }
        expect(await store.load(absent)).to.equal(undefined);
        expect(warnings).to.deep.equal([]);
      }),
      { seed: 20, numRuns: 30 },
    );
  });

  it('writes while the caller goes on, and settles when all is there', async () => {
    const folder = scratch.folder();
    const { store } = fakeStore(folder);
    for (const id of [1, 2, 3]) void store.save(Uint32Array.of(id), fakeKv(Uint32Array.of(id)));
    await store.settle();
    expect(readdirSync(path.join(folder, 'snapshots'))).to.have.lengthOf(3);
  });

  it('does not write what the folder may not hold', async () => {
    const folder = scratch.folder();
    const { store, warnings } = fakeStore(folder, { maxBytes: 500 });
    await store.save(tokens, fakeKv(tokens));
    expect(readdirSync(folder)).to.deep.equal([]);
    expect(warnings).to.deep.equal([]);
  });

  it('uses the folder that it is told, and no other', async () => {
    const folder = scratch.folder();
    const told = path.join(scratch.path(), 'deep', 'snapshots');
    const { store } = fakeStore(folder, { folder: told });
    await store.save(tokens, fakeKv(tokens));
    expect(await store.load(tokens)).to.have.property('path').that.contains(told);
    expect(readdirSync(folder)).to.deep.equal([]);
    expect(await load(folder)).to.equal(undefined);
  });

  describe('where it cannot write beside the model', () => {
    const cacheOf = (folder: string): string => {
      const home = `${folder}.cache`;
      return userCacheFolder(process.platform, cacheEnvironment(home), path.resolve(home)) ?? '';
    };

    it('writes into the cache folder of the user, for this user alone, and reads there', async () => {
      const folder = scratch.folder({ snapshots: 'a file' });
      const { store, warnings } = fakeStore(folder);
      await store.save(tokens, fakeKv(tokens));
      const sequence = await load(folder);
      expect(sequence?.kv).to.deep.equal(fakeKv(tokens));
      expect(path.dirname(sequence?.path ?? '')).to.equal(cacheOf(folder));
      expect(warnings).to.deep.equal([]);
      if (process.platform === 'win32') return;
      expect(statSync(cacheOf(folder)).mode & 0o777).to.equal(0o700);
      expect(statSync(sequence?.path ?? '').mode & 0o777).to.equal(0o600);
    });

    it('says why the folder that it was told cannot be written', async function () {
      if (process.platform !== 'linux') this.skip();
      const { store, warnings } = fakeStore(scratch.folder(), { folder: '/proc/self/fdinfo' });
      await store.save(tokens, fakeKv(tokens));
      expect(warnings).to.have.lengthOf(1);
      expect(warnings[0]).to.match(/\/proc\/self\/fdinfo \(E[A-Z]+\)/);
      expect(await store.load(tokens)).to.equal(undefined);
    });

    it('leaves nothing behind where a write fails halfway', async function () {
      if (process.platform === 'win32') this.skip();
      const folder = scratch.folder();
      // A limit on the size of files stands for a full disk: 512 or 1024 bytes are written, then there is EFBIG.
      const script = `
        const { fakeStore, fakeKv } = await import(${JSON.stringify(supportModule)});
        const ids = Uint32Array.from({ length: 400 }, (_, i) => i);
        const { store, warnings } = fakeStore(process.argv[1]);
        await store.save(ids, fakeKv(ids));
        process.stdout.write(JSON.stringify(warnings));`;
      const limited = 'ulimit -f 1 && exec "$0" "$@"';
      const args = ['-c', limited, process.execPath, '--input-type=module', '-e', script, folder];
      const [warning, ...more] = JSON.parse(execFileSync('sh', args, { encoding: 'utf8' })) as string[];
      expect(warning).to.match(/snapshots \(EFBIG\).*snapshots \(EFBIG\)/);
      expect(more).to.deep.equal([]);
      expect(readdirSync(path.join(folder, 'snapshots'))).to.deep.equal([]);
    });

    it('warns once where the user has no cache folder either, and writes no more', async () => {
      const folder = scratch.folder({ snapshots: 'a file' });
      const home = scratch.folder({ cache: 'a file', '.cache': 'a file', Library: 'a file' });
      const { store, warnings } = fakeStore(folder, { env: cacheEnvironment(home) });
      await store.save(tokens, fakeKv(tokens));
      await store.save(tokens, fakeKv(tokens));
      expect(warnings).to.have.lengthOf(1);
      expect(warnings[0]).to.contain(path.join(folder, 'snapshots')).and.to.match(/\((ENOTDIR|EEXIST)\)/);
      rmSync(path.join(folder, 'snapshots'));
      await store.save(tokens, fakeKv(tokens));
      expect(readdirSync(folder)).to.deep.equal([]);
      expect(await store.load(tokens)).to.equal(undefined);
    });
  });

  describe('remembers when a snapshot was used last', () => {
    for (const [hours, touched] of [[25, true], [23, false]] as const) {
      it(`${touched ? 'anew after' : 'as it was within'} a day`, async () => {
        const { folder, file } = await saved();
        const before = new Date(Date.now() - hours * 3_600_000);
        utimesSync(file, before, before);
        await load(folder);
        const ageHours = (Date.now() - statSync(file).mtimeMs) / 3_600_000;
        expect(ageHours < 1).to.equal(touched);
      });
    }
  });

  for (const [count, segments] of [[1, 1], [3, 1], [4, 1], [5, 2], [8, 2], [9, 3]] as const) {
    it(`saves ${count} tokens as ${segments} segments of four`, async () => {
      const ids = Uint32Array.from({ length: count }, (_, i) => i);
      const { folder, file } = await saved(ids);
      expect(await load(folder, ids)).to.have.property('length', count);
      const reader = await openSafetensors(file);
      expect(reader.tensor('kv').shape).to.deep.equal([segments, segmentBytes / 2]);
      await reader.close();
    });
  }
});
