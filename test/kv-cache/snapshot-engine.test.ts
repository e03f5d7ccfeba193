// SPDX-License-Identifier: Apache-2.0
// Snapshots of the demo model on the native engine: a prefix that comes from a file gives the bits of one that was
// computed, on every instruction set, whichever of them wrote it.

import { createHash } from 'node:crypto';

import { expect } from 'chai';

import { snapshotFormatVersion } from '../../lib/kv-cache/snapshot-file.js';
import { SnapshotStore } from '../../lib/kv-cache/snapshot-store.js';
import { openContainer } from '../../lib/loading/container.js';
import { modelKey, numericsVersion } from '../../lib/loading/model-key.js';
import type { NativeModel } from '../../lib/native/addon.js';
import { append, loadDemo, tokens } from '../engine/demo-engine.js';
import { supportedIsas } from '../engine/native-reader.js';
import { demoFolder } from '../support/fake-guard.js';
import { Scratch } from '../support/tiny-checkpoint.js';

/**
 * SHA-256 of exportKv() for the prefix below, by version. Where a change makes other bytes, raise `numericsVersion`
 * (other numbers) or `snapshotFormatVersion` (another layout) with the new line here: users hold snapshots of the old.
 */
const goldenKv: Readonly<Record<string, string>> = {
  'numerics 1, format 1': '96205b0e2a73142a11189916db193b0edb571270529537870e2965120f95d2e2',
};

const prefix = tokens(136, 5);

describe('snapshots on the engine', function () {
  this.timeout(60_000);
  const scratch = new Scratch();
  let key: string;
  before(async () => {
    const container = await openContainer(demoFolder);
    key = await withModel('', async (model) => (await modelKey(container, model)) ?? expect.fail('the demo model changed'));
  });
  after(() => scratch.remove());

  async function withModel<T>(isa: string, use: (model: NativeModel) => Promise<T>): Promise<T> {
    const model = await loadDemo({ threads: 2, isa });
    try {
      return await use(model);
    } finally {
      model.dispose();
    }
  }

  function storeIn(folder: string, model: NativeModel, maxFiles = 32): SnapshotStore {
    const onWarning = (message: string): never => expect.fail(message);
    return new SnapshotStore({ model, modelFolder: demoFolder, modelKey: key, folder, env: {}, onWarning, maxFiles });
  }

  /** Keys, values and logits of the prefix, computed. */
  async function computed(model: NativeModel): Promise<{ kv: Uint8Array; logits: number[] }> {
    const sequence = model.createSequence();
    await append(model, sequence, prefix);
    const kv = sequence.exportKv();
    const logits = await append(model, sequence, tokens(70, 6));
    sequence.dispose();
    return { kv, logits };
  }

  for (const writer of supportedIsas()) {
    it(`written by ${writer} are the golden bytes, and give the same bits to all`, async () => {
      const folder = scratch.folder();
      const wanted = await withModel(writer, async (model) => {
        const { kv, logits } = await computed(model);
        const store = storeIn(folder, model);
        expect(await store.load(prefix)).to.equal(undefined);
        await store.save(prefix, kv);
        return { kv, logits };
      });
      const version = `numerics ${numericsVersion}, format ${snapshotFormatVersion}`;
      expect(createHash('sha256').update(wanted.kv).digest('hex')).to.equal(goldenKv[version], version);
      for (const reader of supportedIsas()) {
        await withModel(reader, async (model) => {
          const mapped = await storeIn(folder, model).load(prefix);
          expect(mapped).to.include({ length: prefix.length, kvBytes: 0 });
          if (!mapped) return;
          expect(Buffer.compare(mapped.exportKv(), wanted.kv), reader).to.equal(0);
          expect(await append(model, mapped, tokens(70, 6)), reader).to.deep.equal(wanted.logits);
          mapped.dispose();
        });
      }
    });
  }

  it('outlive the file that is replaced or removed while they are mapped', async () => {
    const folder = scratch.folder();
    await withModel('', async (model) => {
      const { kv, logits } = await computed(model);
      const store = storeIn(folder, model);
      await store.save(prefix, kv);
      const mapped = (await store.load(prefix)) ?? expect.fail('not loaded');
      await store.save(prefix, kv);
      await storeIn(folder, model, 1).save(prefix.subarray(0, 1), kv.slice(0, model.kvSegmentTokens * model.kvBytesPerToken));
      expect(await store.load(prefix)).to.equal(undefined);
      expect(await append(model, mapped, tokens(70, 6))).to.deep.equal(logits);
      mapped.dispose();
    });
  });
});
