// SPDX-License-Identifier: Apache-2.0
// Conversions that must fail: with which error, naming what, and with nothing left behind.

import { expect } from 'chai';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { type ConvertOptions, convertWith } from '../../lib/convert/convert.js';
import * as reference from '../support/reference-pack.js';
import {
  type Files,
  Scratch,
  type Tensors,
  encodeFloats,
  rejection,
  tinyConfig,
  tinyFiles,
  tinyTensors,
  tinyTiktoken,
  tinyWords,
} from '../support/tiny-checkpoint.js';

describe('convert refuses', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  /** Converts and expects a refusal that mentions `parts` and leaves nothing beside the source. */
  const expectRefusal = async (files: Files, code: string, parts: readonly string[], options: ConvertOptions = {}): Promise<void> => {
    const source = scratch.folder(files);
    const out = join(scratch.folder(), 'model');
    const error = await rejection(convertWith(reference, source, out, options));
    expect(error).to.have.property('code', `ERR_LLAMA_GUARD_${code}`);
    for (const part of parts) expect(error.message).to.include(part);
    expect(readdirSync(dirname(out))).to.deep.equal([]);
  };

  const withValue = (name: string, index: number, value: number, dtype: 'F32' | 'BF16' = 'BF16'): Tensors => {
    const tensors = tinyTensors({ dtypeOf: (each) => (each === name ? dtype : 'BF16') });
    const size = dtype === 'F32' ? 4 : 2;
    Buffer.from(tensors.get(name)!.data.buffer).set(encodeFloats([value], dtype), tensors.get(name)!.data.byteOffset + index * size);
    return tensors;
  };

  it('a weight that is no number, by tensor, row and column of the source', async () => {
    for (const name of ['model.layers.1.self_attn.k_proj.weight', 'model.layers.0.mlp.up_proj.weight', 'model.embed_tokens.weight']) {
      await expectRefusal(tinyFiles(withValue(name, 21 * 64 + 7, NaN)), 'NON_FINITE', [name, 'model.safetensors', 'NaN in row 21, column 7']);
    }
    // Row 83 of the head is the label "S"; a row that is no label is not looked at.
    await expectRefusal(tinyFiles(withValue('lm_head.weight', 83 * 64 + 63, -Infinity)), 'NON_FINITE', ['-Infinity in row 83, column 63']);
    await convertWith(reference, scratch.folder(tinyFiles(withValue('lm_head.weight', 84 * 64, NaN))), scratch.path());
  });

  it('a norm that is not finite', async () => {
    const name = 'model.layers.1.post_attention_layernorm.weight';
    await expectRefusal(tinyFiles(withValue(name, 3, Infinity)), 'NON_FINITE', [name, 'Infinity in row 0, column 3']);
  });

  it('weights that overflow f16 scales', async () => {
    const name = 'model.layers.0.mlp.down_proj.weight';
    await expectRefusal(tinyFiles(withValue(name, 5, 1e6, 'F32')), 'NON_FINITE', ['layers.0.feed_forward.w2', 'group 32']);
  });

  it('a group that does not divide the rows, or is none', async () => {
    const sizes = ['hiddenSize 64', 'intermediateSize 96', 'heads * headDim 64'];
    await expectRefusal(tinyFiles(), 'INVALID_ARGUMENT', ['found 64', ...sizes], { group: 64 });
    await expectRefusal(tinyFiles(), 'INVALID_ARGUMENT', ['32, 64, 128, 256', 'found 48'], { group: 48 });
  });

  it('a tokenizer without a word of the verdict', async () => {
    for (const word of ['unsafe', '\n\n', '12']) {
      const words = tinyWords.map((other) => (other === word ? 'xy' : other));
      await expectRefusal({ ...tinyFiles(), 'tokenizer.model': tinyTiktoken(words) }, 'BAD_TOKENIZER', [JSON.stringify(word)]);
    }
  });

  it('a folder without tokenizer, a damaged one, and one with more tokens than the model', async () => {
    const { 'tokenizer.model': _, ...files } = tinyFiles();
    await expectRefusal(files, 'MODEL_NOT_FOUND', ['neither tokenizer.json nor tokenizer.model']);
    await expectRefusal({ ...files, 'tokenizer.json': '{"model":{"type":"Unigram"}}' }, 'BAD_TOKENIZER', []);
    await expectRefusal({ ...files, 'tokenizer.model': 'no base64' }, 'BAD_TOKENIZER', []);
    const many = tinyTiktoken([...tinyWords, 'one more']);
    await expectRefusal({ ...files, 'tokenizer.model': many }, 'BAD_TOKENIZER', ['529 tokens', '528']);
  });

  it('sources that are damaged or of another kind', async () => {
    const files = tinyFiles();
    const weights = files['model.safetensors'] as Buffer;
    await expectRefusal({ ...files, 'model.safetensors': weights.subarray(0, -2) }, 'TRUNCATED', ['model.safetensors']);
    await expectRefusal({ ...files, 'model.safetensors': 'GGUF and more' }, 'BAD_FORMAT', ['model.safetensors']);
    await expectRefusal({ ...files, 'config.json': '{' }, 'BAD_CONFIG', ['config.json']);
    await expectRefusal(tinyFiles(tinyTensors(), { ...tinyConfig, hidden_act: 'gelu' }), 'UNSUPPORTED_MODEL', ['hidden_act']);
    await expectRefusal(tinyFiles(tinyTensors(), { ...tinyConfig, intermediate_size: 112 }), 'BAD_TENSOR', ['shape [112, 64]']);
  });

  it('heads that the kernels do not take', async () => {
    const config = { ...tinyConfig, num_attention_heads: 8, num_key_value_heads: 4, head_dim: 8 };
    await expectRefusal(tinyFiles(tinyTensors(), config), 'UNSUPPORTED_MODEL', ['headDim must be a multiple of 16']);
  });

  it('rows that no group divides', async () => {
    const tensors = tinyTensors();
    for (const [name, tensor] of tensors) {
      if (!name.includes('mlp')) continue;
      const shape = tensor.shape[0] === 96 ? [80, 64] : [64, 80];
      tensors.set(name, { ...tensor, shape, data: tensor.data.subarray(0, 2 * 80 * 64) });
    }
    await expectRefusal(tinyFiles(tensors, { ...tinyConfig, intermediate_size: 80 }), 'UNSUPPORTED_MODEL', ['intermediateSize 80']);
  });

  it('a source that is not there', async () => {
    const error = await rejection(convertWith(reference, scratch.path(), scratch.path()));
    expect(error).to.have.property('code', 'ERR_LLAMA_GUARD_MODEL_NOT_FOUND');
  });

  it('settings that no model folder may have, before it rounds anything', async () => {
    for (const [field, value] of [['rms_norm_eps', 1e30], ['rope_theta', 1e300]] as const) {
      const config = JSON.stringify({ ...tinyConfig, [field]: value });
      await expectRefusal({ ...tinyFiles(), 'config.json': config }, 'BAD_CONFIG', [String(value)]);
    }
  });

  it('to go on when it is told to stop', async () => {
    const source = scratch.folder(tinyFiles());
    const out = join(scratch.folder(), 'model');
    const controller = new AbortController();
    const reason = new Error('enough');
    const stopAt = (item: string): void => (item === 'layers.1.feed_forward.w13.q4' ? controller.abort(reason) : undefined);
    const stopped = convertWith(reference, source, out, { signal: controller.signal, onProgress: ({ item }) => stopAt(item) });
    expect(await rejection(stopped)).to.equal(reason);
    expect(readdirSync(dirname(out))).to.deep.equal([]);
  });

  it('to write over anything but a model folder that it may replace', async () => {
    const source = scratch.folder(tinyFiles());
    const filled = scratch.folder({ 'holiday.jpg': 'x' });
    for (const out of [filled, source, join(source, 'config.json')]) {
      const error = await rejection(convertWith(reference, source, out, { force: true }));
      expect(error, out).to.have.property('code', 'ERR_LLAMA_GUARD_INVALID_ARGUMENT');
    }
    expect(readdirSync(filled)).to.deep.equal(['holiday.jpg']);

    const annotated = scratch.folder();
    await convertWith(reference, source, annotated);
    writeFileSync(join(annotated, 'README.md'), 'mine');
    const kept = await rejection(convertWith(reference, source, annotated, { force: true }));
    expect(kept).to.have.property('code', 'ERR_LLAMA_GUARD_INVALID_ARGUMENT');
    expect(readFileSync(join(annotated, 'README.md'), 'utf8')).to.equal('mine');

    const snapshot = `prefix-${'0'.repeat(32)}.safetensors`;
    const used = scratch.folder();
    await convertWith(reference, source, used);
    mkdirSync(join(used, 'snapshots'));
    for (const name of ['holiday.jpg', snapshot]) writeFileSync(join(used, 'snapshots', name), 'x');
    expect(await rejection(convertWith(reference, source, used, { force: true }))).to.have.property('code', 'ERR_LLAMA_GUARD_INVALID_ARGUMENT');
    expect(readdirSync(join(used, 'snapshots'))).to.have.members(['holiday.jpg', snapshot]);
    rmSync(join(used, 'snapshots', 'holiday.jpg'));
    await convertWith(reference, source, used, { force: true });
    expect(readdirSync(used)).to.have.members(['config.json', 'model.safetensors', 'tokenizer.safetensors']);

    const empty = scratch.folder();
    await convertWith(reference, source, empty);
    expect(await rejection(convertWith(reference, source, empty))).to.have.property('code', 'ERR_LLAMA_GUARD_INVALID_ARGUMENT');
    await convertWith(reference, source, empty, { force: true, name: 'again' });
    expect(readFileSync(join(empty, 'config.json'), 'utf8')).to.include('"again"');
    expect(readdirSync(dirname(empty)).filter((name) => name.startsWith(basename(empty)) && name !== basename(empty))).to.deep.equal([]);
  });

  it('a place that cannot be written, and leaves the old model when the new one fails', async () => {
    const source = scratch.folder(tinyFiles());
    const error = await rejection(convertWith(reference, source, join(scratch.path(), 'deep', 'model')));
    expect(error).to.have.property('code', 'ERR_LLAMA_GUARD_WRITE_FAILED');

    const out = scratch.path();
    await convertWith(reference, source, out);
    const broken = scratch.folder(tinyFiles(withValue('model.norm.weight', 0, NaN)));
    expect(await rejection(convertWith(reference, broken, out, { force: true }))).to.have.property('code', 'ERR_LLAMA_GUARD_NON_FINITE');
    expect(existsSync(join(out, 'model.safetensors'))).to.equal(true);
  });

  it('to replace what appeared under the name while it ran', async () => {
    const source = scratch.folder(tinyFiles());
    const late = scratch.path();
    const conversion = convertWith(reference, source, late, {
      onProgress: ({ item }) => item === 'norm' && mkdirSync(join(late, 'taken'), { recursive: true }),
    });
    expect(await rejection(conversion)).to.have.property('code', 'ERR_LLAMA_GUARD_WRITE_FAILED');
    expect(readdirSync(late)).to.deep.equal(['taken']);
  });
});
