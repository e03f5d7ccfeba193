// SPDX-License-Identifier: Apache-2.0
// Reads a Hugging Face Llama checkpoint (one safetensors file, untied head) into plain matrices, as it is or rounded
// to INT4 groups: a second way to the matrices of a container, and the float model itself.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { ReferenceLayer, ReferenceModel } from './model.js';
import { roundToInt4 } from './numbers.js';
import { TensorFile } from './tensors.js';

interface HubConfig {
  readonly num_hidden_layers: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  readonly head_dim: number;
  readonly vocab_size: number;
  readonly rms_norm_eps: number;
  readonly rope_theta: number;
  readonly rope_scaling: {
    readonly factor: number;
    readonly low_freq_factor: number;
    readonly high_freq_factor: number;
    readonly original_max_position_embeddings: number;
  };
}

/** Llama-3 scaling: short wavelengths stay, long ones stretch by `factor`, those between are blended. */
function ropeFrequencies(config: HubConfig): Float64Array {
  const { factor, low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: span } =
    config.rope_scaling;
  return Float64Array.from({ length: config.head_dim / 2 }, (_, i) => {
    const frequency = config.rope_theta ** ((-2 * i) / config.head_dim);
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength < span / high) return frequency;
    if (wavelength > span / low) return frequency / factor;
    const s = (span / wavelength - low) / (high - low);
    return ((1 - s) * frequency) / factor + s * frequency;
  });
}

/**
 * The model in `folder`, its head cut to `labelIds`. With `group` every matrix is rounded to INT4, the embedding too;
 * without it the weights are those of the file.
 */
export function readCheckpoint(
  folder: string,
  options: { labelIds: readonly number[]; group?: number },
): ReferenceModel {
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as HubConfig;
  const file = new TensorFile(join(folder, 'model.safetensors'));
  const d = config.hidden_size;
  const h = config.num_attention_heads * config.head_dim;
  const hk = config.num_key_value_heads * config.head_dim;
  const f = config.intermediate_size;
  const matrix = (name: string, n: number, k: number): Float64Array => {
    const values = file.read(name, [n, k]);
    if (options.group !== undefined) roundToInt4(values, options.group);
    return values;
  };
  const readLayer = (_: unknown, i: number): ReferenceLayer => {
    const at = `model.layers.${i}.`;
    return {
      attentionNorm: file.read(`${at}input_layernorm.weight`, [d]),
      wq: matrix(`${at}self_attn.q_proj.weight`, h, d),
      wk: matrix(`${at}self_attn.k_proj.weight`, hk, d),
      wv: matrix(`${at}self_attn.v_proj.weight`, hk, d),
      wo: matrix(`${at}self_attn.o_proj.weight`, d, h),
      ffnNorm: file.read(`${at}post_attention_layernorm.weight`, [d]),
      gate: matrix(`${at}mlp.gate_proj.weight`, f, d),
      up: matrix(`${at}mlp.up_proj.weight`, f, d),
      down: matrix(`${at}mlp.down_proj.weight`, d, f),
    };
  };
  const head = matrix('lm_head.weight', config.vocab_size, d);
  const output = new Float64Array(options.labelIds.length * d);
  options.labelIds.forEach((id, row) => output.set(head.subarray(id * d, (id + 1) * d), row * d));
  return {
    dims: {
      layers: config.num_hidden_layers,
      hiddenSize: d,
      intermediateSize: f,
      heads: config.num_attention_heads,
      kvHeads: config.num_key_value_heads,
      headDim: config.head_dim,
      vocabSize: config.vocab_size,
      rmsNormEps: config.rms_norm_eps,
    },
    embedding: matrix('model.embed_tokens.weight', config.vocab_size, d),
    layers: Array.from({ length: config.num_hidden_layers }, readLayer),
    norm: file.read('model.norm.weight', [d]),
    output,
    ropePairing: 'half',
    ropeFrequencies: ropeFrequencies(config),
    labelIds: options.labelIds,
    group: options.group ?? 1,
  };
}
