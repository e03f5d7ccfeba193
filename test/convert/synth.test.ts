// SPDX-License-Identifier: Apache-2.0
// Synthetic models: complete, true to their sums, of realistic scale, and the same for the same seed.

import { expect } from 'chai';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { synthesizeWith } from '../../lib/convert/synth.js';
import { openContainer } from '../../lib/loading/container.js';
import { encodeParts } from '../../lib/prompt/encode.js';
import { renderPrefix } from '../../lib/prompt/render.js';
import { defaultTaxonomy } from '../../lib/prompt/taxonomy.js';
import { readContainer } from '../reference/container.js';
import { f16ToNumber } from '../reference/numbers.js';
import * as reference from '../support/reference-pack.js';
import { Scratch, rejection } from '../support/tiny-checkpoint.js';

const tiny = { layers: 1, hiddenSize: 128, intermediateSize: 256, heads: 4, kvHeads: 2, headDim: 32, vocabSize: 2100, group: 64 };

const deviation = (values: Float64Array): number => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);

describe('synthesize', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  const made = async (options = {}): Promise<string> => {
    const out = scratch.path();
    await synthesizeWith(reference, out, { ...tiny, ...options });
    return out;
  };

  it('makes a model folder that opens, with the dimensions asked for and 20 labels', async () => {
    const { config, tokenizer } = await openContainer(await made());
    expect(config.dims).to.deep.equal({
      layers: 1, hiddenSize: 128, intermediateSize: 256, heads: 4, kvHeads: 2, headDim: 32, vocabSize: 2100, contextLength: 8192, labels: 20,
    });
    expect(config).to.include({ group: 64, embeddingGroup: 64, demo: true });
    expect(tokenizer.vocabSize).to.equal(2100);
    expect(tokenizer.controlToken('<|begin_of_text|>')).to.equal(2100 - 256);
    expect(tokenizer.controlToken('<|eot_id|>')).to.equal(2100 - 256 + 9);
  });

  it('has weights of the usual size, and sums that are true', async () => {
    for (const group of [64, 128]) {
      const model = readContainer(await made({ group }));
      const [layer] = model.layers;
      for (const matrix of [layer!.wq, layer!.down, layer!.gate, model.embedding, model.output]) {
        expect(deviation(matrix)).to.be.closeTo(0.02, 0.002);
      }
      expect(layer!.ffnNorm.every((x) => Math.abs(x - 1) <= 0.1)).to.equal(true);
    }
  });

  it('has f16 scales near the ones of larger groups', async () => {
    const out = await made();
    const { spec } = await openContainer(out);
    const { begin, end } = spec.tensors.find(({ name }) => name === 'tok_embeddings.scales')!;
    const stored = readFileSync(join(out, 'model.safetensors')).subarray(begin, end);
    for (let at = 0; at < 2000; at += 2) {
      expect(f16ToNumber(stored.readUInt16LE(at)) * Math.sqrt(5)).to.be.within(0.0179, 0.0221);
    }
  });

  it('makes the official policy into as many tokens as Llama 3 does, and any text into tokens and back', async () => {
    const { tokenizer } = await openContainer(await made());
    expect(encodeParts(renderPrefix('user', { categories: defaultTaxonomy }), tokenizer)).to.have.length(136);
    const text = 'How do I bake a cake for 12 people? Nai\u0308ve \u{1f382}\n\n';
    expect(tokenizer.decode(tokenizer.encode(text))).to.equal(text);
  });

  it('depends on the seed alone', async () => {
    const weights = async (seed: number): Promise<Buffer> => readFileSync(join(await made({ seed }), 'model.safetensors'));
    const first = await weights(7);
    expect((await weights(7)).equals(first)).to.equal(true);
    expect((await weights(8)).equals(first)).to.equal(false);
  });

  it('refuses dimensions that cannot be, and leaves nothing', async () => {
    for (const options of [{ vocabSize: 2073 }, { group: 256 }, { kvHeads: 3 }, { headDim: 8 }, { layers: 1.5 }, { heads: 0 }]) {
      const out = join(scratch.folder(), 'model');
      const error = await rejection(synthesizeWith(reference, out, { ...tiny, ...options }));
      expect(error).to.have.property('code', 'ERR_LLAMA_GUARD_INVALID_ARGUMENT');
      expect(readdirSync(dirname(out))).to.deep.equal([]);
    }
  });
});
