// SPDX-License-Identifier: Apache-2.0
// Model folders: the demo model opens; every way to damage one gets its own typed error.

import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import { type ErrorCode, LlamaGuardError } from '../../lib/errors/index.js';
import { openContainer } from '../../lib/loading/container.js';
import { demoFolder } from '../support/fake-guard.js';

async function refusal(folder: string): Promise<LlamaGuardError> {
  try {
    await openContainer(folder);
  } catch (error) {
    if (LlamaGuardError.isInstance(error)) return error;
    throw error;
  }
  throw new Error('the folder was accepted');
}

type Json = Record<string, unknown>;

describe('model folder', () => {
  let folder: string;

  beforeEach(() => {
    folder = path.join(mkdtempSync(path.join(tmpdir(), 'lg-container-')), 'model');
    cpSync(demoFolder, folder, { recursive: true });
  });

  afterEach(() => rmSync(path.dirname(folder), { recursive: true }));

  const file = (name: string): string => path.join(folder, name);

  /** Sets (or with undefined removes) the field at a path such as `model.heads` or `labels.0.id`. */
  function change(field: string, value: unknown): void {
    const config = JSON.parse(readFileSync(file('config.json'), 'utf8')) as Json;
    const names = field.split('.');
    const last = names.pop() ?? '';
    const parent = names.reduce((object, name) => object[name] as Json, config);
    parent[last] = value;
    writeFileSync(file('config.json'), JSON.stringify(config));
  }

  async function expectRefusal(code: ErrorCode, ...parts: string[]): Promise<void> {
    const error = await refusal(folder);
    expect(error.code).to.equal(code);
    for (const part of parts) expect(error.message).to.contain(part);
  }

  it('of the demo model opens', async () => {
    const container = await openContainer(folder);
    expect(container.config.demo).to.equal(true);
    expect(container.config.dims).to.include({ layers: 12, hiddenSize: 256, heads: 4, kvHeads: 1, labels: 20 });
    expect(container.spec.path).to.equal(file('model.safetensors'));
    const embedding = container.spec.tensors.find((tensor) => tensor.name === 'tok_embeddings.q4');
    expect(embedding?.shape).to.deep.equal([4096, 128]);
    expect(embedding && embedding.end - embedding.begin).to.equal(4096 * 128);
    expect(container.spec.tensors.some((tensor) => tensor.name.startsWith('pad.'))).to.equal(false);
    expect(container.tokenizer.controlToken('<|eot_id|>')).to.be.a('number');
  });

  it('that does not exist is named', async () => {
    rmSync(folder, { recursive: true });
    await expectRefusal('ERR_LLAMA_GUARD_MODEL_NOT_FOUND', folder);
  });

  it('that is a file is refused', async () => {
    rmSync(folder, { recursive: true });
    writeFileSync(folder, '');
    await expectRefusal('ERR_LLAMA_GUARD_MODEL_NOT_FOUND', folder);
  });

  for (const name of ['config.json', 'model.safetensors', 'tokenizer.safetensors']) {
    it(`without ${name} names it`, async () => {
      rmSync(file(name));
      await expectRefusal('ERR_LLAMA_GUARD_MODEL_NOT_FOUND', file(name));
    });

    it(`with a folder in place of ${name} is unreadable`, async () => {
      rmSync(file(name));
      mkdirSync(file(name));
      await expectRefusal('ERR_LLAMA_GUARD_UNREADABLE', file(name));
    });

    it(`with a ${name} that may not be read is unreadable`, function () {
      // The superuser may read everything.
      if (process.getuid?.() === 0) this.skip();
      chmodSync(file(name), 0);
      return expectRefusal('ERR_LLAMA_GUARD_UNREADABLE', file(name));
    });
  }

  for (const name of ['model.safetensors', 'tokenizer.safetensors']) {
    for (const bytes of [0, 7, 8, 100, 5000]) {
      it(`with a ${name} of ${bytes} bytes is truncated`, async () => {
        truncateSync(file(name), bytes);
        await expectRefusal('ERR_LLAMA_GUARD_TRUNCATED', file(name));
      });
    }

    it(`with a ${name} that lacks its last byte is truncated`, async () => {
      const bytes = readFileSync(file(name));
      truncateSync(file(name), bytes.length - 1);
      await expectRefusal('ERR_LLAMA_GUARD_TRUNCATED', file(name));
    });

    it(`with something else as ${name} is refused`, async () => {
      writeFileSync(file(name), Buffer.alloc(4096, 'GGUF'));
      const { code } = await refusal(folder);
      expect(code).to.be.oneOf(['ERR_LLAMA_GUARD_BAD_FORMAT', 'ERR_LLAMA_GUARD_TRUNCATED']);
    });
  }

  it('with another tokenizer is refused', async () => {
    change('labels.0.id', 5);
    await expectRefusal('ERR_LLAMA_GUARD_BAD_TOKENIZER', 'id 5', '"safe"');
  });

  it('with a config.json that is no JSON is refused', async () => {
    writeFileSync(file('config.json'), '{"format": ');
    await expectRefusal('ERR_LLAMA_GUARD_BAD_CONFIG', file('config.json'), 'JSON');
  });

  it('with a config.json that is too large is refused before it is read', async () => {
    writeFileSync(file('config.json'), ' '.repeat(2 ** 20 + 1));
    await expectRefusal('ERR_LLAMA_GUARD_BAD_CONFIG', '1048577');
  });

  const wrong: readonly (readonly [string, unknown, string])[] = [
    ['format', 'gguf', '"llama-guard-int4", found "gguf"'],
    ['formatVersion', 2, 'must be 1, found 2'],
    ['model', [], 'must be an object'],
    ['model.layers', 0, 'an integer from 1 to 1024, found 0'],
    ['model.layers', '12', 'found "12"'],
    ['model.hiddenSize', 2 ** 53, 'an integer'],
    ['model.hiddenSize', 256.5, 'found 256.5'],
    ['model.heads', undefined, 'found nothing'],
    ['model.heads', null, 'found null'],
    ['model.kvHeads', 3, 'a divisor of model.heads'],
    ['model.headDim', 63, 'even'],
    ['model.intermediateSize', 776, 'a multiple of 16'],
    ['model.vocabSize', 0, 'found 0'],
    ['model.contextLength', 1e9, 'found 1000000000'],
    ['model.rmsNormEps', 0, 'above 0'],
    ['model.rmsNormEps', '1e-5', 'found "1e-5"'],
    ['rope.pairing', 'halves', '"interleaved"'],
    ['rope.theta', -1, 'above 0'],
    ['rope.scaling.factor', null, 'found null'],
    ['rope.scaling.type', 'yarn', '"llama3"'],
    ['quantization.layout', 'panel8', '"panel16"'],
    ['quantization.group', 48, 'one of 32, 64, 128, 256'],
    ['labels', [], 'an array of 2 to 256'],
    ['labels.3.id', 4096, 'from 0 to 4095'],
    ['labels.3.text', '', '1 to 100 characters'],
    ['taxonomy.0.code', 'V1', 'S and a number'],
    ['taxonomy.1.code', 'S1', 'no other category'],
    ['demo', 'yes', 'true or false, found "yes"'],
    ['source', 'x', 'must be an object'],
  ];
  for (const [field, value, part] of wrong) {
    it(`with ${field} = ${JSON.stringify(value) ?? 'nothing'} is refused`, async () => {
      change(field, value);
      await expectRefusal('ERR_LLAMA_GUARD_BAD_CONFIG', field.replace(/\.(\d+)/g, '[$1]'), part);
    });
  }

  it('with a group that does not divide the rows is refused', async () => {
    change('model.intermediateSize', 800);
    await expectRefusal('ERR_LLAMA_GUARD_BAD_CONFIG', 'quantization.group', 'a divisor of 800');
  });

  it('with a vocabulary smaller than the tokenizer is refused', async () => {
    const { labels } = JSON.parse(readFileSync(file('config.json'), 'utf8')) as { labels: { id: number }[] };
    const highest = labels.findIndex(({ id }) => id === Math.max(...labels.map((label) => label.id)));
    change(`labels.${highest}.id`, 1);
    change('model.vocabSize', 4095);
    await expectRefusal('ERR_LLAMA_GUARD_BAD_TOKENIZER', '4095');
  });

  it('without a word of the verdict among its labels is refused', async () => {
    change('labels.0.text', 'fine');
    await expectRefusal('ERR_LLAMA_GUARD_BAD_CONFIG', '"safe"');
  });
});
