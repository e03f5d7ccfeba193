// SPDX-License-Identifier: Apache-2.0
// The weights of the layers are entered into the page table ahead of the first pass, and the embedding is not.

import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import { openContainer } from '../../lib/loading/container.js';
import { loadAddon } from '../../lib/native/load-addon.js';
import { rejection } from '../support/tiny-checkpoint.js';

const demoFolder = 'models/demo';

/** Bytes of a mapped file that are in this process's page table; /proc lists each of its areas. */
function residentBytes(file: string): number {
  const areas = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const kilobytes = areas.filter((area) => area.includes(file)).map((area) => Number(/^Rss:\s+(\d+) kB$/m.exec(area)?.[1]));
  return kilobytes.reduce((sum, each) => sum + each, 0) * 1024;
}

describe('NativeModel.populate', () => {
  it('makes the nibbles of the layers resident before any pass', async function () {
    // An emulator of user programs may know no such advice.
    if (process.platform !== 'linux' || process.arch !== 'x64') this.skip();
    const folder = mkdtempSync(path.join(tmpdir(), 'lg-populate-'));
    try {
      const file = path.join(folder, 'model.safetensors');
      copyFileSync(path.join(demoFolder, 'model.safetensors'), file);
      const { spec } = await openContainer(demoFolder);
      const nibbles = spec.tensors.filter(({ name }) => /^layers\..*\.q4$/.test(name));
      const model = await loadAddon().loadModel({ ...spec, path: file }, { threads: 1, isa: '' });
      const before = residentBytes(file);
      await model.populate();
      const after = residentBytes(file);
      model.dispose();
      expect(after).to.be.above(before);
      expect(after).to.be.at.least(nibbles.reduce((sum, { begin, end }) => sum + end - begin, 0));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('is refused after dispose()', async () => {
    const { spec } = await openContainer(demoFolder);
    const model = await loadAddon().loadModel(spec, { threads: 1, isa: '' });
    model.dispose();
    expect(await rejection(model.populate())).to.have.property('code', 'ERR_LLAMA_GUARD_DISPOSED');
  });
});
