// SPDX-License-Identifier: Apache-2.0
// Numbers in a weight file that no model has: found when the file is mapped, before a verdict can come of them.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import { LlamaGuardError } from '../../lib/errors/index.js';
import { LlamaGuard } from '../../lib/index.js';
import { openContainer } from '../../lib/loading/container.js';

describe('weights that are damaged', () => {
  let folder: string;

  beforeEach(() => {
    folder = path.join(mkdtempSync(path.join(tmpdir(), 'lg-weights-')), 'model');
    cpSync('models/demo', folder, { recursive: true });
  });

  afterEach(() => rmSync(path.dirname(folder), { recursive: true }));

  /** The error of loading after the first number of a tensor was overwritten. */
  async function errorAfter(tensor: string, bytes: Buffer): Promise<LlamaGuardError> {
    const { spec } = await openContainer(folder);
    const begin = spec.tensors.find((view) => view.name === tensor)?.begin;
    const file = readFileSync(spec.path);
    bytes.copy(file, begin);
    writeFileSync(spec.path, file);
    const error: unknown = await LlamaGuard.load(folder).then(
      (guard) => guard.dispose(),
      (reason: unknown) => reason,
    );
    if (!LlamaGuardError.isInstance(error)) throw new Error('the folder was accepted');
    expect(error.message).to.contain(tensor);
    return error;
  }

  function f32(value: number): Buffer {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    return bytes;
  }

  it('NaN among f16 scales', async () => {
    const error = await errorAfter('layers.3.feed_forward.w2.scales', Buffer.from([0x01, 0x7e]));
    expect(error.code).to.equal('ERR_LLAMA_GUARD_NON_FINITE');
  });

  it('infinity among f16 scales of the embedding', async () => {
    const error = await errorAfter('tok_embeddings.scales', Buffer.from([0x00, 0xfc]));
    expect(error.code).to.equal('ERR_LLAMA_GUARD_NON_FINITE');
  });

  for (const value of [NaN, Infinity, -Infinity]) {
    it(`${value} in a norm`, async () => {
      expect((await errorAfter('layers.11.ffn_norm', f32(value))).code).to.equal('ERR_LLAMA_GUARD_NON_FINITE');
    });
  }

  // 2048 positions: the angle of the last one may be up to 2^20, so a frequency up to 512.
  for (const value of [-1, 512, 1e30]) {
    it(`a RoPE frequency of ${value}`, async () => {
      expect((await errorAfter('rope.freqs', f32(value))).code).to.equal('ERR_LLAMA_GUARD_BAD_TENSOR');
    });
  }

  it('a RoPE frequency just below the bound is taken', async () => {
    let accepted = false;
    await errorAfter('rope.freqs', f32(511)).catch(() => (accepted = true));
    expect(accepted).to.equal(true);
  });
});
