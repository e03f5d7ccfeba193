// SPDX-License-Identifier: Apache-2.0
// Reads a converted model folder into plain matrices, from docs/packing-format.md alone.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { ReferenceLayer, ReferenceModel } from './model.js';
import { TensorFile } from './tensors.js';

interface Config {
  readonly model: ReferenceModel['dims'];
  readonly quantization: { readonly group: number; readonly embeddingGroup: number };
  readonly labels: readonly { readonly id: number; readonly text: string }[];
}

/** Unpacks one panel16 matrix, and checks the row sums that the file holds against the weights. */
function readMatrix(file: TensorFile, name: string, n: number, k: number, group: number): Float64Array {
  const panels = Math.ceil(n / 16);
  const groups = k / group;
  const bytes = file.read(`${name}.q4`, [panels, k / 8, 64]);
  const scales = file.read(`${name}.scales`, [panels, groups, 16]);
  const sums = file.read(`${name}.sums`, [panels, groups, 16]);
  const found = new Float64Array(sums.length);
  const matrix = new Float64Array(panels * 16 * k);
  for (let row = 0; row < panels * 16; row++) {
    const panel = row >> 4;
    const c = row & 15;
    for (let col = 0; col < k; col++) {
      const within = col & 7;
      const byte = bytes[(panel * (k / 8) + (col >> 3)) * 64 + 4 * c + (within & 3)]!;
      const w = (within < 4 ? byte & 15 : byte >> 4) - 8;
      const at = (panel * groups + Math.floor(col / group)) * 16 + c;
      found[at]! += w;
      matrix[row * k + col] = w * scales[at]!;
    }
  }
  if (found.some((sum, i) => sum !== sums[i])) throw new Error(`${name}.sums contradict ${name}.q4`);
  if (matrix.subarray(n * k).some((w) => w !== 0)) throw new Error(`${name}: padding rows are not zero`);
  return matrix.subarray(0, n * k);
}

function readEmbedding(file: TensorFile, v: number, d: number, group: number): Float64Array {
  const bytes = file.read('tok_embeddings.q4', [v, d / 2]);
  const scales = file.read('tok_embeddings.scales', [v, d / group]);
  return Float64Array.from({ length: v * d }, (_, i) => {
    const byte = bytes[i >> 1]!;
    // An embedding is an f32 by definition, also where the product has more digits.
    return Math.fround(((i & 1 ? byte >> 4 : byte & 15) - 8) * scales[Math.floor(i / group)]!);
  });
}

/** Takes every other 16-row panel of w13, beginning with `first`. */
function everyOtherPanel(w13: Float64Array, k: number, first: 0 | 1): Float64Array {
  const panel = 16 * k;
  const half = new Float64Array(w13.length / 2);
  for (let p = 0; p < half.length / panel; p++) {
    half.set(w13.subarray((2 * p + first) * panel, (2 * p + first + 1) * panel), p * panel);
  }
  return half;
}

/** The model in `folder`, dequantized. */
export function readContainer(folder: string): ReferenceModel {
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Config;
  const file = new TensorFile(join(folder, 'model.safetensors'));
  const { hiddenSize: d, intermediateSize: f, heads, kvHeads, headDim, vocabSize, layers } = config.model;
  const { group, embeddingGroup } = config.quantization;
  const h = heads * headDim;
  const hk = kvHeads * headDim;
  const readLayer = (_: unknown, i: number): ReferenceLayer => {
    const wqkv = readMatrix(file, `layers.${i}.attention.wqkv`, h + 2 * hk, d, group);
    const w13 = readMatrix(file, `layers.${i}.feed_forward.w13`, 2 * f, d, group);
    return {
      attentionNorm: file.read(`layers.${i}.attention_norm`, [d]),
      wq: wqkv.subarray(0, h * d),
      wk: wqkv.subarray(h * d, (h + hk) * d),
      wv: wqkv.subarray((h + hk) * d),
      wo: readMatrix(file, `layers.${i}.attention.wo`, d, h, group),
      ffnNorm: file.read(`layers.${i}.ffn_norm`, [d]),
      gate: everyOtherPanel(w13, d, 0),
      up: everyOtherPanel(w13, d, 1),
      down: readMatrix(file, `layers.${i}.feed_forward.w2`, d, f, group),
    };
  };
  return {
    dims: config.model,
    embedding: readEmbedding(file, vocabSize, d, embeddingGroup),
    layers: Array.from({ length: layers }, readLayer),
    norm: file.read('norm', [d]),
    output: readMatrix(file, 'output', config.labels.length, d, group),
    ropePairing: 'interleaved',
    ropeFrequencies: file.read('rope.freqs', [headDim / 2]),
    labelIds: config.labels.map((label) => label.id),
    group,
  };
}
