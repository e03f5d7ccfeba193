// SPDX-License-Identifier: Apache-2.0
// The key of a model: the same for the same model wherever it lies, another one for every other.

import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import { type Container, openContainer } from '../../lib/loading/container.js';
import { modelKey } from '../../lib/loading/model-key.js';
import type { NativeModel } from '../../lib/native/addon.js';
import { loadAddon } from '../../lib/native/load-addon.js';
import { xxHash64 } from '../reference/xxhash64.js';
import { demoFolder } from '../support/fake-guard.js';

describe('model key', () => {
  const mapped = ({ spec }: Container): Promise<NativeModel> => loadAddon().loadModel(spec, { threads: 1, isa: '' });

  async function keyOf(container: Container, between: () => void = () => undefined): Promise<string | undefined> {
    const model = await mapped(container);
    between();
    const key = await modelKey(container, model);
    model.dispose();
    return key;
  }

  const time = new Date('2026-01-02T03:04:05Z');
  let root: string;
  let folder: string;
  let key: string | undefined;

  beforeEach(async () => {
    root = mkdtempSync(path.join(tmpdir(), 'lg-key-'));
    folder = path.join(root, 'model');
    mkdirSync(folder);
    for (const name of ['config.json', 'model.safetensors', 'tokenizer.safetensors']) {
      copyFileSync(path.join(demoFolder, name), path.join(folder, name));
    }
    utimesSync(weights(), time, time);
    key = await keyOf(await openContainer(folder));
    expect(key).to.match(/^[0-9a-f]{64}$/);
  });

  afterEach(() => rmSync(root, { recursive: true }));

  const weights = (): string => path.join(folder, 'model.safetensors');

  /** Flips a bit in the middle of a tensor; size and time of the file stay. */
  function damage(container: Container, name: string): void {
    const { begin, end } = container.spec.tensors.find((tensor) => tensor.name === name) ?? expect.fail(`no tensor ${name}`);
    const bytes = readFileSync(weights());
    const at = (begin + end) >> 1;
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    writeFileSync(weights(), bytes);
    utimesSync(weights(), time, time);
  }

  it('does not depend on where the folder lies', async () => {
    const moved = path.join(root, 'moved');
    renameSync(folder, moved);
    expect(await keyOf(await openContainer(moved))).to.equal(key);
    cpSync(moved, folder, { recursive: true, preserveTimestamps: true });
    expect(await keyOf(await openContainer(folder))).to.equal(key);
  });

  for (const name of ['norm', 'rope.freqs', 'layers.3.ffn_norm', 'tok_embeddings.scales', 'layers.11.feed_forward.w2.sums']) {
    it(`changes with a bit of ${name}`, async () => {
      damage(await openContainer(folder), name);
      expect(await keyOf(await openContainer(folder))).to.be.a('string').that.does.not.equal(key);
    });
  }

  it('changes with the time of the weight file', async () => {
    utimesSync(weights(), time, new Date(time.getTime() + 1));
    expect(await keyOf(await openContainer(folder))).to.be.a('string').that.does.not.equal(key);
  });

  it('changes with what config.json tells the engine, and not with the rest', async () => {
    const file = path.join(folder, 'config.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as { model: { rmsNormEps: number }; demo: boolean };
    writeFileSync(file, JSON.stringify({ ...config, generator: 'another' }));
    expect(await keyOf(await openContainer(folder))).to.equal(key);
    config.model.rmsNormEps *= 2;
    writeFileSync(file, JSON.stringify(config));
    expect(await keyOf(await openContainer(folder))).to.be.a('string').that.does.not.equal(key);
  });

  it('is not told where the weight file was replaced or written to since it was opened', async () => {
    const container = await openContainer(folder);
    expect(await keyOf(container)).to.equal(key);
    cpSync(weights(), `${weights()}.new`, { preserveTimestamps: true });
    renameSync(`${weights()}.new`, weights());
    expect(await keyOf(container)).to.equal(undefined);
    const again = await openContainer(folder);
    expect(await keyOf(again)).to.equal(key);
    utimesSync(weights(), time, new Date());
    expect(await keyOf(again)).to.equal(undefined);
  });

  it('is not told where the weight file was replaced once the addon had mapped it', async () => {
    const told = await keyOf(await openContainer(folder), () => {
      cpSync(weights(), `${weights()}.new`, { preserveTimestamps: true });
      renameSync(`${weights()}.new`, weights());
    });
    expect(told).to.equal(undefined);
  });

  it('is made of the XXH64 of every tensor but the nibbles', async () => {
    const container = await openContainer(folder);
    const bytes = readFileSync(weights());
    const others = container.spec.tensors.filter(({ name }) => !name.endsWith('.q4'));
    const wanted = others.map(({ begin, end }) => xxHash64(bytes.subarray(begin, end)));
    const model = await mapped(container);
    expect([...model.checksums].map(String).sort()).to.deep.equal(wanted.map(String).sort());
    model.dispose();
  });
});
