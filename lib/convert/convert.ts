// SPDX-License-Identifier: Apache-2.0
// A Hugging Face checkpoint in, a model folder out: rounds the weights to INT4, packs them, cuts the head to the words
// of a verdict, and prepares the tokenizer. Streams; the folder appears when all of it is there.

import { basename, join, resolve } from 'node:path';
import { LlamaGuardError } from '../errors/index.js';
import { type HfCheckpoint, type HfConfig, openHfCheckpoint } from '../formats/hf-checkpoint.js';
import { SafetensorsWriter } from '../formats/safetensors-writer.js';
import { type ModelSource, parseConfig } from '../loading/config.js';
import { loadAddon } from '../native/load-addon.js';
import type { Tokenizer } from '../tokenizer/index.js';
import { fileSha256 } from './checksum.js';
import {
  type ContainerSpec,
  containerConfig,
  containerTensors,
  dimsProblem,
  writeModelFolder,
  writeText,
} from './container.js';
import { f32Bytes } from './floats.js';
import { chooseGroup } from './group.js';
import { labelRows } from './labels.js';
import { headMatrix, layerMatrices } from './matrix.js';
import { type Packer, type QuantizeTarget, copyVector, quantizeEmbedding, quantizeMatrix } from './quantize.js';
import { ProgressCounter, type ProgressOptions } from './progress.js';
import { ropeFrequencies } from './rope.js';
import { readSourceTokenizer, writeTokenizer } from './source-tokenizer.js';

/** Options of `convert`. */
export interface ConvertOptions extends ProgressOptions {
  /** Weights that share a scale: 32, 64, 128 or 256. Default: the largest that divides every row of the model. */
  readonly group?: number;
  /** Replace the model folder that is there. Default false. A folder that holds anything else is never replaced. */
  readonly force?: boolean;
  /** Mark the result as a demo that must not guard anything real. Default false. */
  readonly demo?: boolean;
  /** Name of the source in config.json. Default: the name of its folder. */
  readonly name?: string;
}

/** What a conversion did. */
export interface ConvertReport {
  /** Absolute path of the model folder. */
  readonly out: string;
  readonly group: number;
  readonly layers: number;
  /** Texts of the head's rows, in order. */
  readonly labels: readonly string[];
  readonly tiedHead: boolean;
  /** Size of the weight files. */
  readonly sourceBytes: number;
  /** Size of the new model.safetensors. */
  readonly weightBytes: number;
  readonly durationMs: number;
}

/** Prompts of a guard are short; a longer context only costs memory. */
const maxContextLength = 8192;

/**
 * Converts a Hugging Face folder to a model folder that `LlamaGuard.load` takes.
 * @param source folder with config.json, model.safetensors or its shards and index, tokenizer.json or tokenizer.model
 * @param out the new folder; must not exist or be empty, see `force`
 * @returns sizes, group and labels of the result
 * @throws {ERR_LLAMA_GUARD_INVALID_ARGUMENT} the group does not divide the rows, or `out` may not be replaced
 * @throws {ERR_LLAMA_GUARD_MODEL_NOT_FOUND} the source, or a file that it must hold, does not exist
 * @throws {ERR_LLAMA_GUARD_UNREADABLE} a source file cannot be read
 * @throws {ERR_LLAMA_GUARD_BAD_CONFIG} config.json of the source is damaged
 * @throws {ERR_LLAMA_GUARD_UNSUPPORTED_MODEL} the source is no plain Llama decoder
 * @throws {ERR_LLAMA_GUARD_BAD_FORMAT} a weight file is damaged
 * @throws {ERR_LLAMA_GUARD_TRUNCATED} a weight file is too short
 * @throws {ERR_LLAMA_GUARD_BAD_TENSOR} a tensor is missing or has the wrong type or shape
 * @throws {ERR_LLAMA_GUARD_NON_FINITE} a weight is infinite or no number; names tensor, row and column
 * @throws {ERR_LLAMA_GUARD_BAD_TOKENIZER} the tokenizer is damaged, or a word of the verdict is no single token in it
 * @throws {ERR_LLAMA_GUARD_WRITE_FAILED} the result cannot be written; nothing is left of it
 */
export async function convert(source: string, out: string, options: ConvertOptions = {}): Promise<ConvertReport> {
  return convertWith(loadAddon(), source, out, options);
}

/** `convert` with the given rounding and packing functions. */
export async function convertWith(
  packer: Packer,
  source: string,
  out: string,
  options: ConvertOptions = {},
): Promise<ConvertReport> {
  const startMs = performance.now();
  const checkpoint = await openHfCheckpoint(source);
  try {
    const tokenizer = await readSourceTokenizer(source, checkpoint.config.vocabSize);
    const plan = planContainer(checkpoint, tokenizer, options);
    const weightBytes = await writeModelFolder(out, { force: options.force ?? false }, (folder) =>
      fillFolder(folder, { packer, checkpoint, tokenizer, plan, options }),
    );
    return {
      out: resolve(out),
      group: plan.group,
      layers: plan.dims.layers,
      labels: plan.labels.map(({ text }) => text),
      tiedHead: checkpoint.tiedHead,
      sourceBytes: sourceBytes(checkpoint),
      weightBytes,
      durationMs: performance.now() - startMs,
    };
  } finally {
    await checkpoint.close();
  }
}

type ContainerPlan = Omit<ContainerSpec, 'source'>;

interface Job {
  readonly packer: Packer;
  readonly checkpoint: HfCheckpoint;
  readonly tokenizer: Tokenizer;
  readonly plan: ContainerPlan;
  readonly options: ConvertOptions;
}

function planContainer(checkpoint: HfCheckpoint, tokenizer: Tokenizer, options: ConvertOptions): ContainerPlan {
  const { folder, config } = checkpoint;
  const { layers, hiddenSize, intermediateSize, heads, kvHeads, headDim, vocabSize } = config;
  const contextLength = Math.min(config.maxPositions, maxContextLength);
  const dims = { layers, hiddenSize, intermediateSize, heads, kvHeads, headDim, vocabSize, contextLength };
  const problem = dimsProblem(dims);
  if (problem) throw new LlamaGuardError('ERR_LLAMA_GUARD_UNSUPPORTED_MODEL', `${folder}: ${problem}`);
  const labels = labelRows(tokenizer);
  const group = chooseGroup(rowLengths(config), options.group);
  const plan = {
    dims: { ...dims, labels: labels.length },
    rmsNormEps: config.rmsNormEps,
    rope: { theta: config.ropeTheta, scaling: config.ropeScaling },
    group,
    embeddingGroup: group,
    labels,
    demo: options.demo ?? false,
  };
  // What could not be loaded, or lacks a row, is not worth minutes of rounding.
  for (const { id } of labels) checkpoint.headRow(id);
  parseConfig(join(folder, 'config.json'), containerConfig({ ...plan, source: { name: folder, files: [] } }));
  return plan;
}

function rowLengths({ hiddenSize, intermediateSize, heads, headDim }: HfConfig) {
  return { hiddenSize, intermediateSize, 'heads * headDim': heads * headDim };
}

/** Returns the size of model.safetensors. */
async function fillFolder(folder: string, job: Job): Promise<number> {
  const { checkpoint, tokenizer, plan, options } = job;
  const path = join(folder, 'model.safetensors');
  const writer = await SafetensorsWriter.create(path, containerTensors(plan));
  const progress = new ProgressCounter(sourceBytes(checkpoint) + writer.fileBytes, options);
  try {
    const source = await describeSource(checkpoint, options.name, progress);
    const write: QuantizeTarget['write'] = async (name, bytes, offset) => {
      progress.advance(name, bytes.length);
      await writer.write(name, bytes, offset);
    };
    await writeWeights(job, { packer: job.packer, write });
    await writer.finish();
    progress.complete('tokenizer.safetensors');
    await writeTokenizer(tokenizer, folder);
    await writeText(join(folder, 'config.json'), containerConfig({ ...plan, source }));
    return writer.fileBytes;
  } finally {
    await writer.abort();
  }
}

async function writeWeights({ checkpoint, plan }: Job, target: QuantizeTarget): Promise<void> {
  await quantizeEmbedding('tok_embeddings', checkpoint.embedding, plan.embeddingGroup, target);
  for (let i = 0; i < plan.dims.layers; i++) {
    await copyVector(`layers.${i}.attention_norm`, checkpoint.layer(i, 'input_layernorm.weight'), target);
    await copyVector(`layers.${i}.ffn_norm`, checkpoint.layer(i, 'post_attention_layernorm.weight'), target);
    for (const matrix of layerMatrices(checkpoint, i)) await quantizeMatrix(matrix, plan.group, target);
  }
  await copyVector('norm', checkpoint.finalNorm, target);
  await quantizeMatrix(headMatrix(checkpoint, plan.labels.map(({ id }) => id)), plan.group, target);
  await target.write('rope.freqs', f32Bytes(ropeFrequencies(plan.dims.headDim, plan.rope)), 0);
}

async function describeSource(
  checkpoint: HfCheckpoint,
  name: string | undefined,
  progress: ProgressCounter,
): Promise<ModelSource> {
  const files: { name: string; sha256: string }[] = [];
  for (const { path } of checkpoint.files) {
    const file = basename(path);
    files.push({ name: file, sha256: await fileSha256(path, (bytes) => progress.advance(file, bytes)) });
  }
  return { name: name ?? basename(resolve(checkpoint.folder)), files };
}

function sourceBytes(checkpoint: HfCheckpoint): number {
  return checkpoint.files.reduce((sum, file) => sum + file.fileBytes, 0);
}
