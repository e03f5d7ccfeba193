// SPDX-License-Identifier: Apache-2.0
// Hugging Face folders: forms of config.json and of weight files that are read, and those that are refused by name.

import { expect } from 'chai';
import { join } from 'node:path';

import { openHfCheckpoint } from '../../lib/formats/hf-checkpoint.js';
import { parseHfConfig } from '../../lib/formats/hf-config.js';
import {
  type Files,
  Scratch,
  type Tensors,
  encodeSafetensors,
  rejection,
  tinyConfig,
  tinyFiles,
  tinyTensors,
} from '../support/tiny-checkpoint.js';

const parse = (changes: object): ReturnType<typeof parseHfConfig> =>
  parseHfConfig(JSON.stringify({ ...tinyConfig, ...changes }), 'config.json');

describe('Hugging Face config', () => {
  it('reads the dimensions', () => {
    expect(parse({})).to.deep.equal({
      layers: 2, hiddenSize: 64, intermediateSize: 96, heads: 4, kvHeads: 2, headDim: 16, vocabSize: 528,
      maxPositions: 512, rmsNormEps: 1e-5, ropeTheta: 500000, tiedHead: false, headTokenIds: undefined,
      ropeScaling: { factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 },
    });
  });

  it('takes the defaults of the form where a field is absent or null', () => {
    const config = parse({ head_dim: null, num_key_value_heads: undefined, rope_scaling: null, rope_theta: undefined });
    expect(config).to.include({ headDim: 16, kvHeads: 4, ropeTheta: 10000, ropeScaling: undefined });
  });

  it('reads rope_parameters, the newer form', () => {
    const { rope_scaling, rope_theta: _, ...rest } = tinyConfig;
    const text = JSON.stringify({ ...rest, rope_parameters: { ...rope_scaling, rope_theta: 250000 } });
    expect(parseHfConfig(text, 'f')).to.deep.include({ ropeTheta: 250000, ropeScaling: parse({}).ropeScaling });
    expect(parse({ rope_parameters: { rope_type: 'default' } })).to.include({ ropeScaling: undefined, ropeTheta: 500000 });
  });

  const unsupported: [string, object][] = [
    ['model_type', { model_type: 'mistral' }],
    ['hidden_act', { hidden_act: 'gelu' }],
    ['attention_bias', { attention_bias: true }],
    ['mlp_bias', { mlp_bias: true }],
    ['quantization_config', { quantization_config: { quant_method: 'gptq' } }],
    ['rope_scaling.rope_type', { rope_scaling: { rope_type: 'yarn', factor: 4 } }],
    ['rope_scaling.type', { rope_scaling: { type: 'linear', factor: 4 } }],
    ['partial_rotary_factor', { partial_rotary_factor: 0.5 }],
  ];
  for (const [field, changes] of unsupported) {
    it(`refuses a model for its ${field}`, () => {
      expect(() => parse(changes)).to.throw(`config.json: ${field} must be`).with.property('code', 'ERR_LLAMA_GUARD_UNSUPPORTED_MODEL');
    });
  }

  const bad: [string, object][] = [
    ['num_hidden_layers', { num_hidden_layers: '2' }],
    ['hidden_size', { hidden_size: 0 }],
    ['vocab_size', { vocab_size: 2 ** 40 }],
    ['head_dim', { head_dim: 15 }],
    ['num_key_value_heads', { num_key_value_heads: 3 }],
    ['rms_norm_eps', { rms_norm_eps: -1 }],
    ['rope_theta', { rope_theta: 0 }],
    ['tie_word_embeddings', { tie_word_embeddings: 'no' }],
    ['head_token_ids', { head_token_ids: [3, 4, 528] }],
    ['head_token_ids', { head_token_ids: [3, 4, 3] }],
    ['head_token_ids', { head_token_ids: [3], tie_word_embeddings: true }],
    ['rope_scaling.factor', { rope_scaling: { rope_type: 'llama3' } }],
    ['rope_scaling.high_freq_factor', { rope_scaling: { ...tinyConfig.rope_scaling, high_freq_factor: 1 } }],
  ];
  for (const [field, changes] of bad) {
    it(`refuses a value of ${field}: ${JSON.stringify(changes)}`, () => {
      expect(() => parse(changes)).to.throw(`config.json: ${field} must be`).with.property('code', 'ERR_LLAMA_GUARD_BAD_CONFIG');
    });
  }

  it('refuses what is no JSON object', () => {
    for (const text of ['', '{', '[]', 'null', '7']) {
      expect(() => parseHfConfig(text, 'config.json')).to.throw('config.json').with.property('code', 'ERR_LLAMA_GUARD_BAD_CONFIG');
    }
  });
});

/** A checkpoint in two shards: even and odd tensors. */
function sharded(tensors: Tensors = tinyTensors()): Files {
  const { 'model.safetensors': _, ...rest } = tinyFiles(tensors);
  const part = (odd: number): Tensors => new Map([...tensors].filter((_, i) => i % 2 === odd));
  const shard = (i: number): string => `model-0000${i + 1}-of-00002.safetensors`;
  return {
    ...rest,
    [shard(0)]: encodeSafetensors(part(0)),
    [shard(1)]: encodeSafetensors(part(1)),
    'model.safetensors.index.json': JSON.stringify({
      metadata: { total_size: 1 },
      weight_map: Object.fromEntries([...tensors.keys()].map((name, i) => [name, shard(i % 2)])),
    }),
  };
}

describe('Hugging Face checkpoint', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  const refusal = (files: Files) => rejection(openHfCheckpoint(scratch.folder(files)));

  it('finds tensors in one file and in shards', async () => {
    for (const files of [tinyFiles(), sharded()]) {
      const checkpoint = await openHfCheckpoint(scratch.folder(files));
      const { name, rows, columns, dtype, file, begin } = checkpoint.layer(1, 'mlp.up_proj.weight');
      expect({ name, rows, columns, dtype }).to.deep.equal({ name: 'model.layers.1.mlp.up_proj.weight', rows: 96, columns: 64, dtype: 'BF16' });
      const expected = tinyTensors().get(name)?.data;
      expect(Buffer.from(await file.readRange(begin, begin + 96 * 64 * 2)).equals(expected!)).to.equal(true);
      expect(checkpoint.head.name).to.equal('lm_head.weight');
      expect(checkpoint.files).to.have.length('model.safetensors' in files ? 1 : 2);
      await checkpoint.close();
    }
  });

  it('takes the embedding for the head where there is no head, or the config says so', async () => {
    for (const files of [tinyFiles(tinyTensors({ tied: true })), tinyFiles(tinyTensors(), { ...tinyConfig, tie_word_embeddings: true })]) {
      const checkpoint = await openHfCheckpoint(scratch.folder(files));
      expect(checkpoint.tiedHead).to.equal(true);
      expect(checkpoint.head.name).to.equal('model.embed_tokens.weight');
      await checkpoint.close();
    }
  });

  it('says which file is missing', async () => {
    for (const name of ['config.json', 'model.safetensors']) {
      const { [name]: _, ...files } = tinyFiles();
      const error = await refusal(files);
      expect(error).to.have.property('code', 'ERR_LLAMA_GUARD_MODEL_NOT_FOUND');
      expect(error.message).to.include(name);
    }
    const { 'model-00002-of-00002.safetensors': _, ...files } = sharded();
    expect((await refusal(files)).message).to.include('model-00002-of-00002.safetensors does not exist');
  });

  it('names the tensor that is missing, of the wrong shape or of the wrong type, and its file', async () => {
    const name = 'model.layers.1.self_attn.k_proj.weight';
    const { data } = tinyTensors().get(name)!;
    const changes: [string, (tensors: Tensors) => void, string][] = [
      ['missing', (t) => t.delete(name), 'is missing'],
      ['shape', (t) => t.set(name, { dtype: 'BF16', shape: [64, 32], data }), 'shape [32, 64] is expected, found [64, 32]'],
      ['rank', (t) => t.set(name, { dtype: 'BF16', shape: [32 * 64], data }), 'shape [32, 64] is expected, found [2048]'],
      ['type', (t) => t.set(name, { dtype: 'I16', shape: [32, 64], data }), 'F32, F16 or BF16 is expected, found I16'],
    ];
    for (const [what, change, message] of changes) {
      const tensors = tinyTensors();
      change(tensors);
      const error = await refusal(tinyFiles(tensors));
      expect(error, what).to.have.property('code', 'ERR_LLAMA_GUARD_BAD_TENSOR');
      expect(error.message, what).to.include(message).and.include(name).and.include('model.safetensors');
    }
  });

  it('refuses biases that the config does not mention', async () => {
    const tensors = tinyTensors();
    tensors.set('model.layers.0.self_attn.q_proj.bias', { dtype: 'F32', shape: [1], data: Buffer.alloc(4) });
    expect(await refusal(tinyFiles(tensors))).to.have.property('code', 'ERR_LLAMA_GUARD_UNSUPPORTED_MODEL');
  });

  it('refuses an index that is damaged, leads out of the folder or promises too much', async () => {
    const index = 'model.safetensors.index.json';
    for (const text of ['{', '{}', '{"weight_map":{}}', '{"weight_map":{"a":"../x.safetensors"}}', '{"weight_map":{"a":3}}', 'null']) {
      const error = await refusal({ ...sharded(), [index]: text });
      expect(error, text).to.have.property('code', 'ERR_LLAMA_GUARD_BAD_FORMAT');
      expect(error.message).to.include(index);
    }
    const files = sharded();
    const swapped = String(files[index]).replace('"model.norm.weight":"model-00002', '"model.norm.weight":"model-00001');
    expect(swapped).to.not.equal(files[index]);
    expect((await refusal({ ...files, [index]: swapped })).message).to.include('"model.norm.weight" is missing in').and.include('00001');
  });

  it('refuses a shard that was cut', async () => {
    const files = sharded();
    const name = 'model-00002-of-00002.safetensors';
    const error = await refusal({ ...files, [name]: (files[name] as Buffer).subarray(0, -1) });
    expect(error).to.have.property('code', 'ERR_LLAMA_GUARD_TRUNCATED');
    expect(error.message).to.include(name);
  });

  it('does not take a folder for a file', async () => {
    const folder = scratch.folder(tinyFiles());
    expect(await rejection(openHfCheckpoint(join(folder, 'config.json')))).to.have.property('code', 'ERR_LLAMA_GUARD_MODEL_NOT_FOUND');
  });
});
