// SPDX-License-Identifier: Apache-2.0
// Opens a model folder (docs/packing-format.md): config.json, the header of model.safetensors, and the tokenizer. Weights
// are not read here; the addon maps them and checks every range and shape again before it makes a pointer.

import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';

import { fromFileSystem, LlamaGuardError } from '../errors/index.js';
import type { FileStamp } from '../formats/regular-file.js';
import { openSafetensors } from '../formats/safetensors.js';
import type { ModelSpec } from '../native/addon.js';
import { LabelSet } from '../scoring/labels.js';
import { type TensorData, Tokenizer } from '../tokenizer/index.js';
import { type ModelConfig, parseConfig } from './config.js';

/** A model folder that is ready to be mapped. */
export interface ModelFolder {
  /** Absolute path. */
  readonly folder: string;
  readonly config: ModelConfig;
  readonly labels: LabelSet;
  readonly spec: ModelSpec;
  /** Of the weight file, when its header was read. */
  readonly weightsStamp: FileStamp;
}

/** A model folder and its tokenizer. */
export interface Container extends ModelFolder {
  readonly tokenizer: Tokenizer;
}

const configName = 'config.json';
const weightsName = 'model.safetensors';
const tokenizerName = 'tokenizer.safetensors';
const maxConfigBytes = 2 ** 20;
/** Control tokens that the prompt holds. */
const promptTokens = ['<|begin_of_text|>', '<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>'];

/** A checked model folder with its tokenizer. @throws as `openModelFolder` and `readTokenizer` do */
export async function openContainer(given: string): Promise<Container> {
  const opening = openModelFolder(given);
  const tokenizer = await readTokenizer(given, opening);
  return { ...(await opening), tokenizer };
}

/**
 * A model folder whose config.json and header of weights are checked.
 *
 * @throws {ERR_LLAMA_GUARD_MODEL_NOT_FOUND} the folder or a file of it is missing
 * @throws {ERR_LLAMA_GUARD_UNREADABLE} a file cannot be read
 * @throws {ERR_LLAMA_GUARD_BAD_CONFIG} config.json is wrong; names the field
 * @throws {ERR_LLAMA_GUARD_BAD_FORMAT} the weight file is damaged; likewise TRUNCATED and BAD_TENSOR
 */
export async function openModelFolder(given: string): Promise<ModelFolder> {
  const folder = path.resolve(given);
  await checkFolder(folder);
  const config = await readConfig(path.join(folder, configName));
  const labels = new LabelSet(config.labels);
  return { folder, config, labels, ...(await readSpec(path.join(folder, weightsName), config)) };
}

/**
 * The tokenizer of a model folder, read while the folder is being opened.
 *
 * @param opening openModelFolder(given): what it rejects with comes before all below
 * @throws {ERR_LLAMA_GUARD_MODEL_NOT_FOUND} it is missing
 * @throws {ERR_LLAMA_GUARD_UNREADABLE} it cannot be read
 * @throws {ERR_LLAMA_GUARD_BAD_FORMAT} its file is damaged; likewise TRUNCATED and BAD_TENSOR
 * @throws {ERR_LLAMA_GUARD_BAD_TOKENIZER} its tables are damaged, or lack tokens of the labels or the prompt
 */
export async function readTokenizer(given: string, opening: Promise<ModelFolder>): Promise<Tokenizer> {
  const file = path.join(path.resolve(given), tokenizerName);
  const [opened, tensors] = await Promise.allSettled([opening, readTensors(file)]);
  if (opened.status === 'rejected') throw opened.reason;
  if (tensors.status === 'rejected') throw tensors.reason;
  const tokenizer = Tokenizer.fromTensors({ tensors: tensors.value });
  checkTokens(file, opened.value.config, tokenizer);
  return tokenizer;
}

async function checkFolder(folder: string): Promise<void> {
  const stats = await stat(folder).catch((error: unknown) => {
    throw fromFileSystem(error, folder, 'reading');
  });
  if (!stats.isDirectory()) {
    throw new LlamaGuardError('ERR_LLAMA_GUARD_MODEL_NOT_FOUND', `${folder} must be a model folder, found a file`);
  }
}

async function readConfig(file: string): Promise<ModelConfig> {
  try {
    const { size } = await stat(file);
    if (size > maxConfigBytes) {
      throw new LlamaGuardError(
        'ERR_LLAMA_GUARD_BAD_CONFIG',
        `${file} must have at most ${maxConfigBytes} bytes, found ${size}`,
      );
    }
    return parseConfig(file, await readFile(file, 'utf8'));
  } catch (error) {
    throw fromFileSystem(error, file, 'reading');
  }
}

async function readSpec(file: string, config: ModelConfig): Promise<Pick<ModelFolder, 'spec' | 'weightsStamp'>> {
  const weights = await openSafetensors(file);
  try {
    const { dims, rmsNormEps, group, embeddingGroup } = config;
    const spec = { path: file, dims, rmsNormEps, group, embeddingGroup, tensors: weights.views() };
    return { spec, weightsStamp: weights.stamp };
  } finally {
    await weights.close();
  }
}

async function readTensors(file: string): Promise<ReadonlyMap<string, TensorData>> {
  const source = await openSafetensors(file);
  try {
    const tensors = source.views().map(async ({ name, dtype, shape }): Promise<[string, TensorData]> => {
      return [name, { dtype, shape, data: await source.read(name) }];
    });
    return new Map(await Promise.all(tensors));
  } finally {
    await source.close();
  }
}

/** The tokenizer must be the one that the head was cut for, and know the prompt's control tokens. */
function checkTokens(file: string, config: ModelConfig, tokenizer: Tokenizer): void {
  const { vocabSize } = config.dims;
  if (tokenizer.vocabSize > vocabSize) {
    throw badTokenizer(`${file} has ${tokenizer.vocabSize} tokens, the model only ${vocabSize}`);
  }
  for (const { id, text } of config.labels) {
    const found = tokenizer.controlToken(text) ?? tokenizer.tokenId(text);
    if (found !== id) {
      const what = found === undefined ? 'no such token' : `the id ${found}`;
      throw badTokenizer(`${file} must have the id ${id} for the label ${JSON.stringify(text)}, found ${what}`);
    }
  }
  for (const name of promptTokens) {
    if (tokenizer.controlToken(name) === undefined) {
      throw badTokenizer(`${file} must have the control token ${name}, which the prompt needs`);
    }
  }
}

function badTokenizer(message: string): LlamaGuardError {
  return new LlamaGuardError('ERR_LLAMA_GUARD_BAD_TOKENIZER', message);
}
