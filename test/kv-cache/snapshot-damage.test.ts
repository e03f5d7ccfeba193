// SPDX-License-Identifier: Apache-2.0
// Files in the place of a snapshot that must not be used: damaged in every way, or made for something else.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { expect } from 'chai';

import { openSafetensors } from '../../lib/formats/safetensors.js';
import { packageVersion } from '../../lib/native/package-version.js';
import { Scratch } from '../support/tiny-checkpoint.js';
import { fakeKv, fakeModel, fakeStore, type SavedSnapshot, saveSnapshot, tokens } from './fake-snapshots.js';

describe('snapshot store does not use', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  const saved = (ids: Uint32Array = tokens): Promise<SavedSnapshot> => saveSnapshot(scratch.folder(), ids);

  /** What lies there is not used, is warned of once, and makes room for what is saved next. */
  async function expectRefused(folder: string, file: string, part: string): Promise<void> {
    const { store, warnings } = fakeStore(folder);
    expect(await store.load(tokens)).to.equal(undefined);
    expect(await store.load(tokens)).to.equal(undefined);
    expect(warnings).to.have.lengthOf(1);
    expect(warnings[0]).to.contain(file).and.to.contain(part);
    await store.save(tokens, fakeKv(tokens));
    expect((await store.load(tokens))?.exportKv()).to.deep.equal(fakeKv(tokens));
    expect(warnings).to.have.lengthOf(1);
  }

  it('a file with a bit flipped in any byte of it', async () => {
    const { folder, file } = await saved();
    const whole = readFileSync(file);
    const { store } = fakeStore(folder);
    for (let byte = 0; byte < whole.length; byte++) {
      const damaged = Buffer.from(whole);
      damaged.writeUInt8(damaged.readUInt8(byte) ^ (1 << (byte % 8)), byte);
      writeFileSync(file, damaged);
      expect(await store.load(tokens), `byte ${byte}`).to.equal(undefined);
    }
    await expectRefused(folder, file, 'damaged');
  });

  it('a file that ends early, wherever it does, or goes on', async () => {
    const { folder, file } = await saved();
    const whole = readFileSync(file);
    const reader = await openSafetensors(file);
    const edges = [...reader.tensors.values()].flatMap(({ begin, end }) => [begin, end]);
    await reader.close();
    for (const bytes of new Set([0, 1, 7, 8, 9, ...edges.flatMap((edge) => [edge - 1, edge, edge + 1])])) {
      writeFileSync(file, whole);
      truncateSync(file, bytes);
      if (bytes !== whole.length) await expectRefused(folder, file, `it has ${bytes} bytes`);
    }
    writeFileSync(file, Buffer.concat([whole, whole]));
    await expectRefused(folder, file, `it has ${2 * whole.length} bytes`);
  });

  it('a huge file that claims a huge header', async () => {
    const { folder, file } = await saved();
    writeFileSync(file, Buffer.from('00e1f50500000000', 'hex'));
    truncateSync(file, 2 ** 40);
    await expectRefused(folder, file, 'it has 1099511627776 bytes');
  });

  it('a whole snapshot of other tokens under its name', async () => {
    const { folder, file } = await saved();
    writeFileSync(file, readFileSync((await saved(Uint32Array.of(128000, 7, 4294967295, 1, 9))).file));
    await expectRefused(folder, file, 'other tokens');
  });

  it('a whole snapshot of another model under its name', async () => {
    const { folder, file } = await saved();
    const other = scratch.folder();
    await fakeStore(other, { modelKey: 'b'.repeat(64) }).store.save(tokens, fakeKv(tokens));
    const [name = ''] = readdirSync(path.join(other, 'snapshots'));
    expect(name).not.to.equal(path.basename(file));
    writeFileSync(file, readFileSync(path.join(other, 'snapshots', name)));
    await expectRefused(folder, file, 'another model or version');
  });

  for (const field of ['formatVersion":"1"', `llama-guard-int4 ${packageVersion()}"`]) {
    it(`a file whose header says other than ${JSON.stringify(field)}`, async () => {
      const { folder, file } = await saved();
      const text = readFileSync(file, 'latin1');
      const next = field.replace(/."$/, 'x"');
      expect(text).to.contain(field);
      writeFileSync(file, text.replace(field, next), 'latin1');
      await expectRefused(folder, file, 'another model or version');
    });
  }

  it('a model whose segments have another size', async () => {
    const { folder, file } = await saved();
    const { store, warnings } = fakeStore(folder, { model: { ...fakeModel, kvBytesPerToken: 12 } });
    expect(await store.load(tokens)).to.equal(undefined);
    expect(warnings).to.have.lengthOf(1);
    expect(warnings[0]).to.contain(file);
  });

  for (const filled of [false, true]) {
    it(`${filled ? 'a folder with something in it' : 'an empty folder'} in its place`, async () => {
      const { folder, file } = await saved();
      rmSync(file);
      mkdirSync(file);
      if (filled) writeFileSync(path.join(file, 'mine.txt'), 'mine');
      const { store, warnings } = fakeStore(folder);
      expect(await store.load(tokens)).to.equal(undefined);
      await store.save(tokens, fakeKv(tokens));
      expect((await store.load(tokens))?.exportKv()).to.deep.equal(fakeKv(tokens));
      expect(warnings).to.have.lengthOf(1);
      expect(statSync(file).isDirectory()).to.equal(filled);
    });
  }

  it('a pipe in its place, and does not wait for a writer', async function () {
    if (process.platform === 'win32') this.skip();
    const { folder, file } = await saved();
    rmSync(file);
    execFileSync('mkfifo', [file]);
    await expectRefused(folder, file, 'ERR_LLAMA_GUARD_UNREADABLE');
  });

  it('a file that the addon cannot map', async () => {
    const { folder } = await saved();
    const failing = (code: string) => () => {
      throw Object.assign(new Error('made up'), { code });
    };
    for (const [code, warned] of [['ERR_LLAMA_GUARD_MODEL_NOT_FOUND', 0], ['ERR_LLAMA_GUARD_OUT_OF_MEMORY', 1]] as const) {
      const { store, warnings } = fakeStore(folder, { model: { ...fakeModel, mapSequence: failing(code) } });
      expect(await store.load(tokens)).to.equal(undefined);
      expect(warnings).to.have.lengthOf(warned);
    }
  });
});
