// SPDX-License-Identifier: Apache-2.0
// The safetensors writer: alignment and padding as docs/packing-format.md says, and no half-written file under any name.

import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { SafetensorsWriter } from '../../lib/formats/safetensors-writer.js';
import { openSafetensors } from '../../lib/formats/safetensors.js';
import { Scratch, rejection } from '../support/tiny-checkpoint.js';

const bytes = (length: number, first: number): Uint8Array => Uint8Array.from({ length }, (_, i) => first + i);

describe('safetensors writer', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  it('writes pieces in any order, tensors on 64-byte boundaries and zeros between', async () => {
    const path = join(scratch.folder(), 'w.safetensors');
    const writer = await SafetensorsWriter.create(
      path,
      [
        { name: 'a', dtype: 'U8', shape: [70] },
        { name: 'b', dtype: 'F32', shape: [4, 4] },
        { name: 'c', dtype: 'F16', shape: [3] },
      ],
      { format: 'test' },
    );
    await writer.write('c', bytes(6, 200));
    await writer.write('b', bytes(64, 0));
    await writer.write('a', bytes(40, 30), 30);
    await writer.write('a', bytes(30, 0));
    expect(readdirSync(dirname(path))).to.have.length(1).and.not.include('w.safetensors');
    await writer.finish();

    expect(readdirSync(dirname(path))).to.deep.equal(['w.safetensors']);
    const file = await openSafetensors(path);
    expect(file.fileBytes).to.equal(writer.fileBytes);
    expect([...file.tensors.values()].map(({ name, shape, begin }) => [name, shape, begin % 64])).to.deep.equal([
      ['a', [70], 0], ['pad.0', [58], 6], ['b', [4, 4], 0], ['c', [3], 0], ['pad.1', [58], 6],
    ]);
    expect(await file.read('a')).to.deep.equal(bytes(70, 0));
    expect(await file.read('b')).to.deep.equal(bytes(64, 0));
    expect(await file.read('c')).to.deep.equal(bytes(6, 200));
    expect(await file.read('pad.0')).to.deep.equal(new Uint8Array(58));
    expect([...file.metadata]).to.deep.equal([['format', 'test']]);
    await file.close();
  });

  it('refuses to finish with bytes missing, and leaves nothing', async () => {
    const folder = scratch.folder();
    const writer = await SafetensorsWriter.create(join(folder, 'w'), [{ name: 'a', dtype: 'U8', shape: [2] }]);
    await writer.write('a', bytes(1, 0));
    expect(await rejection(writer.finish())).to.have.property('code', 'ERR_LLAMA_GUARD_INTERNAL');
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('refuses bytes outside of a tensor', async () => {
    const writer = await SafetensorsWriter.create(scratch.path(), [{ name: 'a', dtype: 'U8', shape: [2] }]);
    expect(await rejection(writer.write('a', bytes(2, 0), 1))).to.have.property('code', 'ERR_LLAMA_GUARD_INTERNAL');
    expect(await rejection(writer.write('b', bytes(1, 0)))).to.have.property('code', 'ERR_LLAMA_GUARD_INTERNAL');
    await writer.abort();
    await writer.abort();
  });

  it('keeps an older file until the new one is complete', async () => {
    const folder = scratch.folder({ w: 'old' });
    const writer = await SafetensorsWriter.create(join(folder, 'w'), [{ name: 'a', dtype: 'U8', shape: [1] }]);
    expect(readFileSync(join(folder, 'w'), 'utf8')).to.equal('old');
    await writer.abort();
    expect(readdirSync(folder)).to.deep.equal(['w']);
    expect(readFileSync(join(folder, 'w'), 'utf8')).to.equal('old');
  });

  it('names the place where it may not write', async () => {
    const notFolder = scratch.path();
    writeFileSync(notFolder, '');
    const error = await rejection(SafetensorsWriter.create(join(notFolder, 'w'), []));
    expect(error).to.have.property('code', 'ERR_LLAMA_GUARD_WRITE_FAILED');
    expect(error.message).to.include(notFolder);
  });

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`leaves nothing behind on ${signal}, and the process still dies of it`, async () => {
      const folder = scratch.folder();
      const module = pathToFileURL(join(process.cwd(), 'build/js/lib/formats/safetensors-writer.js')).href;
      const script = `
        const { SafetensorsWriter } = await import(${JSON.stringify(module)});
        await SafetensorsWriter.create(${JSON.stringify(join(folder, 'w'))}, [{ name: 'a', dtype: 'U8', shape: [9] }]);
        console.log('created');
        setInterval(() => {}, 1000);`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
      await new Promise((resolve) => child.stdout.once('data', resolve));
      expect(readdirSync(folder)).to.have.length(1);
      const ended = new Promise((resolve) => child.once('exit', (_, by) => resolve(by)));
      child.kill(signal);
      expect(await ended).to.equal(signal);
      expect(readdirSync(folder)).to.deep.equal([]);
    });
  }
});
