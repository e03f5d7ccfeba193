// SPDX-License-Identifier: Apache-2.0
// Random weights in the packed format: bell-shaped values, scales that give the weights a realistic deviation, and row
// sums that are true, so that an engine computes with them as with real ones.

import { SafetensorsWriter, type TensorDeclaration } from '../formats/safetensors-writer.js';
import type { GroupSize } from '../loading/config.js';
import { type ContainerSpec, containerTensors, panelRows } from './container.js';
import { encodeNormalF16, f32Bytes } from './floats.js';
import { ProgressCounter, type ProgressOptions } from './progress.js';
import { type PanelTarget, type RoundedRows, panelAppender, rowStretches } from './quantize.js';
import { SeededRandom } from './random.js';
import { ropeFrequencies } from './rope.js';

/** Standard deviation of the weights, as in trained models of this size. */
const weightDeviation = 0.02;
/** Standard deviation of the values of `byteTable`: four independent uniform draws from 0..3 of variance 5/4. */
const valueDeviation = Math.sqrt(5);
const scaleSpread = 0.1;
const normSpread = 0.1;

interface RandomWeightsOptions extends ProgressOptions {
  readonly seed: number;
  readonly packer: PanelTarget['packer'];
}

/** Writes a model.safetensors; returns its size. */
export async function writeRandomWeights(path: string, spec: ContainerSpec, options: RandomWeightsOptions): Promise<number> {
  const tensors = containerTensors(spec);
  const writer = await SafetensorsWriter.create(path, tensors);
  const progress = new ProgressCounter(writer.fileBytes, options);
  const write: PanelTarget['write'] = async (name, bytes, offset) => {
    progress.advance(name, bytes.length);
    await writer.write(name, bytes, offset);
  };
  const random = new SeededRandom(options.seed);
  try {
    for (const tensor of tensors) await fillTensor(tensor, { spec, random, packer: options.packer, write });
    await writer.finish();
    progress.complete('tokenizer.safetensors');
    return writer.fileBytes;
  } finally {
    await writer.abort();
  }
}

interface Filling extends PanelTarget {
  readonly spec: ContainerSpec;
  readonly random: SeededRandom;
}

/** Fills a tensor; a matrix is filled, scales and sums included, when its nibbles are reached. */
async function fillTensor({ name, shape }: TensorDeclaration, filling: Filling): Promise<void> {
  const { spec, random, packer, write } = filling;
  const [first = 0, second = 0] = shape;
  if (name === 'rope.freqs') return write(name, f32Bytes(ropeFrequencies(spec.dims.headDim, spec.rope)), 0);
  if (shape.length === 1) {
    return write(name, f32Bytes(Float32Array.from({ length: first }, () => random.around1(normSpread))), 0);
  }
  if (!name.endsWith('.q4')) return;
  const matrix = name.slice(0, -'.q4'.length);
  if (matrix === 'tok_embeddings') return fillEmbedding(matrix, filling);
  const rows = matrix === 'output' ? spec.dims.labels : panelRows * first;
  const columns = 8 * second;
  const append = panelAppender({ name: matrix, columns, group: spec.group }, { packer, write });
  for (const { count } of rowStretches(rows, columns)) await append(randomRows(count * columns, spec.group, random), count);
}

async function fillEmbedding(name: string, { spec, random, write }: Filling): Promise<void> {
  const { vocabSize, hiddenSize } = spec.dims;
  const written = { values: 0, scales: 0 };
  for (const { count } of rowStretches(vocabSize, hiddenSize)) {
    const { values, scales } = randomRows(count * hiddenSize, spec.embeddingGroup, random);
    await write(`${name}.q4`, values, written.values);
    await write(`${name}.scales`, scales, written.scales);
    written.values += values.length;
    written.scales += scales.length;
  }
}

function randomRows(elements: number, group: GroupSize, random: SeededRandom): RoundedRows {
  const values = new Uint8Array(elements / 2);
  for (let i = 0; i < values.length; i += 2) {
    const word = random.word();
    values[i] = byteTable[word & 0xffff] as number;
    values[i + 1] = byteTable[word >>> 16] as number;
  }
  const scale = weightDeviation / valueDeviation;
  const scales = Float32Array.from({ length: elements / group }, () => scale * random.around1(scaleSpread));
  return { values, scales: group >= 128 ? f32Bytes(scales) : f16Bytes(scales) };
}

function f16Bytes(values: Float32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(2 * values.length));
  values.forEach((value, i) => view.setUint16(2 * i, encodeNormalF16(value), true));
  return new Uint8Array(view.buffer);
}

/** 16 random bits to two bell-shaped values: each is the sum of four numbers 0..3, moved to the middle of 0..15. */
const byteTable = Uint8Array.from({ length: 2 ** 16 }, (_, bits) => bellNibble(bits & 255) | (bellNibble(bits >> 8) << 4));

function bellNibble(bits: number): number {
  return 2 + (bits & 3) + ((bits >> 2) & 3) + ((bits >> 4) & 3) + (bits >> 6);
}
