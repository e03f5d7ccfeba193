// SPDX-License-Identifier: Apache-2.0
// A Hugging Face folder with a LlamaForCausalLM checkpoint: its config and its weights, in one safetensors file or in
// shards with an index. Every tensor that the model needs is found and its shape checked before any is read.

import { readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { LlamaGuardError, fromFileSystem } from '../errors/index.js';
import { type HfConfig, parseHfConfig } from './hf-config.js';
import { quoteName } from './safetensors-header.js';
import { type SafetensorsFile, openSafetensors } from './safetensors.js';

export type { HfConfig, Llama3RopeScaling } from './hf-config.js';

/** Element types that weights may have, each tensor its own. */
export type WeightDType = 'F32' | 'F16' | 'BF16';

/** A tensor of the checkpoint and the file that holds it. */
export interface HfWeight {
  readonly name: string;
  readonly file: SafetensorsFile;
  readonly dtype: WeightDType;
  /** Rows; 1 for a vector. */
  readonly rows: number;
  readonly columns: number;
  /** Absolute byte offset in the file. */
  readonly begin: number;
}

/** Names of the tensors of one layer, after `model.layers.<i>.`, and their shapes. */
const layerTensors = {
  'input_layernorm.weight': (c: HfConfig) => [c.hiddenSize],
  'self_attn.q_proj.weight': (c: HfConfig) => [c.heads * c.headDim, c.hiddenSize],
  'self_attn.k_proj.weight': (c: HfConfig) => [c.kvHeads * c.headDim, c.hiddenSize],
  'self_attn.v_proj.weight': (c: HfConfig) => [c.kvHeads * c.headDim, c.hiddenSize],
  'self_attn.o_proj.weight': (c: HfConfig) => [c.hiddenSize, c.heads * c.headDim],
  'post_attention_layernorm.weight': (c: HfConfig) => [c.hiddenSize],
  'mlp.gate_proj.weight': (c: HfConfig) => [c.intermediateSize, c.hiddenSize],
  'mlp.up_proj.weight': (c: HfConfig) => [c.intermediateSize, c.hiddenSize],
  'mlp.down_proj.weight': (c: HfConfig) => [c.hiddenSize, c.intermediateSize],
} as const satisfies Record<string, (config: HfConfig) => readonly number[]>;

export type LayerTensor = keyof typeof layerTensors;

const singleFile = 'model.safetensors';
const indexFile = 'model.safetensors.index.json';
const embeddingName = 'model.embed_tokens.weight';
const headName = 'lm_head.weight';

/** An open checkpoint. Owns its files until `close()`. */
export class HfCheckpoint {
  constructor(
    readonly folder: string,
    readonly config: HfConfig,
    /** The weight files, in the order of their names. */
    readonly files: readonly SafetensorsFile[],
    private readonly weights: ReadonlyMap<string, HfWeight>,
    /** The head shares the embedding's rows. */
    readonly tiedHead: boolean,
  ) {}

  get embedding(): HfWeight {
    return this.named(embeddingName);
  }

  get finalNorm(): HfWeight {
    return this.named('model.norm.weight');
  }

  /** A row per token of the vocabulary, or of `config.headTokenIds`. */
  get head(): HfWeight {
    return this.named(this.tiedHead ? embeddingName : headName);
  }

  /**
   * The head's row of a token.
   * @throws {ERR_LLAMA_GUARD_BAD_TENSOR} the head was cut and this row went
   */
  headRow(token: number): number {
    const row = this.config.headTokenIds?.indexOf(token) ?? token;
    if (row >= 0) return row;
    throw badTensor(this.head.file, this.head.name, `head_token_ids lacks the token ${token}, which a verdict needs`);
  }

  layer(index: number, tensor: LayerTensor): HfWeight {
    return this.named(`model.layers.${index}.${tensor}`);
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await Promise.all(this.files.map((file) => file.close()));
  }

  private named(name: string): HfWeight {
    const weight = this.weights.get(name);
    if (weight) return weight;
    throw new LlamaGuardError('ERR_LLAMA_GUARD_INTERNAL', `The checkpoint was opened without ${name}`);
  }
}

/**
 * Opens a Hugging Face folder: config.json, and model.safetensors or the shards of model.safetensors.index.json.
 * @throws {ERR_LLAMA_GUARD_MODEL_NOT_FOUND} the folder or one of its files does not exist
 * @throws {ERR_LLAMA_GUARD_UNREADABLE} a file cannot be read
 * @throws {ERR_LLAMA_GUARD_BAD_CONFIG} config.json is damaged or contradicts itself
 * @throws {ERR_LLAMA_GUARD_UNSUPPORTED_MODEL} the model is no plain Llama decoder
 * @throws {ERR_LLAMA_GUARD_BAD_FORMAT} a weight file or the index is damaged
 * @throws {ERR_LLAMA_GUARD_TRUNCATED} a weight file is shorter than its header says
 * @throws {ERR_LLAMA_GUARD_BAD_TENSOR} a tensor is missing or has the wrong type or shape; names file and tensor
 */
export async function openHfCheckpoint(folder: string): Promise<HfCheckpoint> {
  const configPath = join(folder, 'config.json');
  const config = parseHfConfig(await readText(configPath), configPath);
  const names = await shardNames(folder);
  const files: SafetensorsFile[] = [];
  try {
    for (const name of names.files) files.push(await openSafetensors(join(folder, name)));
    return collect(folder, config, files, names.fileOf);
  } catch (error) {
    await Promise.all(files.map((file) => file.close()));
    throw error;
  }
}

interface Shards {
  readonly files: readonly string[];
  /** Which file the index promises a tensor in; undefined for a checkpoint of one file. */
  readonly fileOf: ReadonlyMap<string, string> | undefined;
}

async function shardNames(folder: string): Promise<Shards> {
  const path = join(folder, indexFile);
  if (existsSync(join(folder, singleFile)) || !existsSync(path)) return { files: [singleFile], fileOf: undefined };
  const fileOf = parseIndex(await readText(path), path);
  return { files: [...new Set(fileOf.values())].sort(), fileOf };
}

function parseIndex(text: string, path: string): ReadonlyMap<string, string> {
  let map: unknown;
  try {
    map = (JSON.parse(text) as { weight_map?: unknown } | null)?.weight_map;
  } catch (error) {
    throw new LlamaGuardError('ERR_LLAMA_GUARD_BAD_FORMAT', `${path} is not valid JSON`, { cause: error });
  }
  const entries = typeof map === 'object' && map !== null ? Object.entries(map) : [];
  // A shard lies beside its index: a name with a path in it would lead out of the folder.
  const isShard = (file: unknown): file is string =>
    typeof file === 'string' && /^[^/\\\0]+\.safetensors$/.test(file);
  if (entries.length === 0 || !entries.every((entry): entry is [string, string] => isShard(entry[1]))) {
    throw new LlamaGuardError('ERR_LLAMA_GUARD_BAD_FORMAT', `${path} has no weight_map from tensors to .safetensors files`);
  }
  return new Map(entries);
}

function collect(
  folder: string,
  config: HfConfig,
  files: readonly SafetensorsFile[],
  fileOf: ReadonlyMap<string, string> | undefined,
): HfCheckpoint {
  const byName = new Map(files.map((file) => [basename(file.path), file]));
  const home = (name: string): SafetensorsFile | undefined =>
    fileOf ? byName.get(fileOf.get(name) ?? '') : files[0];
  refuseBiases(files);
  const tiedHead = config.tiedHead || !(config.headTokenIds || home(headName)?.tensors.has(headName));
  const weights = new Map<string, HfWeight>();
  for (const [name, shape] of expectedTensors(config, tiedHead)) {
    const file = home(name);
    if (!file) {
      throw new LlamaGuardError('ERR_LLAMA_GUARD_BAD_TENSOR', `Tensor ${name} is missing in ${join(folder, indexFile)}`);
    }
    weights.set(name, checkWeight(file, name, shape));
  }
  return new HfCheckpoint(folder, config, files, weights, tiedHead);
}

function* expectedTensors(config: HfConfig, tiedHead: boolean): Generator<[string, readonly number[]]> {
  yield [embeddingName, [config.vocabSize, config.hiddenSize]];
  for (let i = 0; i < config.layers; i++) {
    for (const [name, shapeOf] of Object.entries(layerTensors)) yield [`model.layers.${i}.${name}`, shapeOf(config)];
  }
  yield ['model.norm.weight', [config.hiddenSize]];
  if (!tiedHead) yield [headName, [config.headTokenIds?.length ?? config.vocabSize, config.hiddenSize]];
}

function checkWeight(file: SafetensorsFile, name: string, expected: readonly number[]): HfWeight {
  const { dtype, shape, begin } = file.tensor(name);
  if (dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16') {
    throw badTensor(file, name, `F32, F16 or BF16 is expected, found ${dtype}`);
  }
  if (shape.length !== expected.length || shape.some((size, i) => size !== expected[i])) {
    throw badTensor(file, name, `shape [${expected.join(', ')}] is expected, found [${shape.slice(0, 8).join(', ')}]`);
  }
  const [rows, columns] = expected.length === 2 ? (expected as [number, number]) : [1, expected[0] as number];
  return { name, file, dtype, rows, columns, begin };
}

/** Some forks add biases without saying so in config.json. */
function refuseBiases(files: readonly SafetensorsFile[]): void {
  for (const file of files) {
    for (const name of file.tensors.keys()) {
      if (!/^(model\.layers\..*|lm_head)\.bias$/.test(name)) continue;
      throw new LlamaGuardError(
        'ERR_LLAMA_GUARD_UNSUPPORTED_MODEL',
        `${file.path} holds the bias ${quoteName(name)}; a Llama decoder without biases is expected`,
      );
    }
  }
}

function badTensor(file: SafetensorsFile, name: string, what: string): LlamaGuardError {
  return new LlamaGuardError('ERR_LLAMA_GUARD_BAD_TENSOR', `Tensor ${name} of ${file.path}: ${what}`);
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw fromFileSystem(error, path, 'reading');
  }
}
