// SPDX-License-Identifier: Apache-2.0
// Small Hugging Face folders with random weights, written by a safetensors encoder of the tests' own. Every part of them
// can be replaced, so that a test can break exactly one thing.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface RawTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

export type Tensors = Map<string, RawTensor>;

/** Numbers in 0..1 that depend on the seed alone. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
}

/** A safetensors file: tensors one after the other in the order of the map. */
export function encodeSafetensors(tensors: Tensors): Buffer {
  let at = 0;
  const header = new Map<string, unknown>();
  for (const [name, { dtype, shape, data }] of tensors) {
    header.set(name, { dtype, shape, data_offsets: [at, at + data.length] });
    at += data.length;
  }
  return withHeader(JSON.stringify(Object.fromEntries(header)), Buffer.concat([...tensors.values()].map(({ data }) => data)));
}

/** The 8 bytes of length, a JSON text, and data. */
export function withHeader(json: string, data: Uint8Array): Buffer {
  const text = Buffer.from(json);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, data]);
}

/** Numbers as little-endian bytes of a type; bits that the type does not have are cut off. */
export function encodeFloats(values: readonly number[], dtype: 'F32' | 'F16' | 'BF16'): Uint8Array {
  const bytes = Buffer.alloc(values.length * (dtype === 'F32' ? 4 : 2));
  const word = new DataView(new ArrayBuffer(4));
  values.forEach((value, i) => {
    word.setFloat32(0, value);
    if (dtype === 'F32') bytes.writeFloatLE(value, 4 * i);
    else bytes.writeUInt16LE(dtype === 'BF16' ? word.getUint16(0) : truncateToF16(word.getUint32(0)), 2 * i);
  });
  return bytes;
}

function truncateToF16(bits: number): number {
  const exponent = ((bits >>> 23) & 255) - 127 + 15;
  const sign = (bits >>> 16) & 0x8000;
  if (exponent >= 31) return sign | 0x7c00 | (bits & 0x7fffff ? 1 : 0);
  return exponent <= 0 ? sign : sign | (exponent << 10) | ((bits >>> 13) & 0x3ff);
}

export const tinyConfig = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_act: 'silu',
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 16,
  vocab_size: 528,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
  rope_scaling: { rope_type: 'llama3', factor: 32, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 },
  tie_word_embeddings: false,
  attention_bias: false,
  mlp_bias: false,
};

/** Tokens beside the 256 single bytes, from id 256 on. */
export const tinyWords = ['safe', 'unsafe', '\n\n', ',S', '10', '11', '12', '13', '14', 'the', ' the', 'ing', ' a', ' of', ' to', ' in'];

/** tokenizer.model: 256 bytes, `tinyWords`, and with the 256 control tokens of Llama 3 528 ids. */
export function tinyTiktoken(words: readonly string[] = tinyWords): string {
  const tokens = [...Array.from({ length: 256 }, (_, byte) => Buffer.of(byte)), ...words.map((word) => Buffer.from(word))];
  return tokens.map((token, rank) => `${token.toString('base64')} ${rank}\n`).join('');
}

export interface TinyOptions {
  readonly seed?: number;
  /** Type of a tensor; default BF16. */
  readonly dtypeOf?: (name: string) => 'F32' | 'F16' | 'BF16';
  /** Without lm_head.weight. */
  readonly tied?: boolean;
  readonly vocabSize?: number;
}

/**
 * All tensors of a checkpoint of `tinyConfig`, with weights of about the usual size. Values are small multiples of
 * powers of two, which F32, F16 and BF16 all hold exactly.
 */
export function tinyTensors({ seed = 1, dtypeOf = () => 'BF16', tied = false, vocabSize = 528 }: TinyOptions = {}): Tensors {
  const random = seeded(seed);
  const tensors: Tensors = new Map();
  const draw = (most: number): number => Math.round((random() + random() - 1) * most);
  const add = (name: string, ...shape: number[]): void => {
    const isNorm = shape.length === 1;
    const values = Array.from({ length: shape.reduce((a, b) => a * b) }, () => (isNorm ? 1 + draw(20) / 128 : draw(120) / 1024));
    tensors.set(name, { dtype: dtypeOf(name), shape, data: encodeFloats(values, dtypeOf(name)) });
  };
  add('model.embed_tokens.weight', vocabSize, 64);
  for (let i = 0; i < 2; i++) {
    add(`model.layers.${i}.self_attn.q_proj.weight`, 64, 64);
    add(`model.layers.${i}.self_attn.k_proj.weight`, 32, 64);
    add(`model.layers.${i}.self_attn.v_proj.weight`, 32, 64);
    add(`model.layers.${i}.self_attn.o_proj.weight`, 64, 64);
    add(`model.layers.${i}.mlp.gate_proj.weight`, 96, 64);
    add(`model.layers.${i}.mlp.up_proj.weight`, 96, 64);
    add(`model.layers.${i}.mlp.down_proj.weight`, 64, 96);
    add(`model.layers.${i}.input_layernorm.weight`, 64);
    add(`model.layers.${i}.post_attention_layernorm.weight`, 64);
  }
  add('model.norm.weight', 64);
  if (!tied) add('lm_head.weight', vocabSize, 64);
  return tensors;
}

/** Files of a folder by name. */
export type Files = Record<string, string | Uint8Array>;

/** The files of a whole checkpoint. */
export function tinyFiles(tensors: Tensors = tinyTensors(), config: object = tinyConfig): Files {
  return {
    'config.json': JSON.stringify(config),
    'model.safetensors': encodeSafetensors(tensors),
    'tokenizer.model': tinyTiktoken(),
  };
}

/** Temporary folders of one test file. */
export class Scratch {
  readonly root = mkdtempSync(join(tmpdir(), 'llama-guard-test-'));
  private count = 0;

  /** A path that does not exist. */
  path(): string {
    return join(this.root, `item-${this.count++}`);
  }

  /** A new folder with these files. */
  folder(files: Files = {}): string {
    const folder = this.path();
    mkdirSync(folder);
    for (const [name, data] of Object.entries(files)) writeFileSync(join(folder, name), data);
    return folder;
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** The error that a promise rejects with; fails where it does not reject. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('expected a rejection');
}
