// SPDX-License-Identifier: Apache-2.0
// A model folder with true dimensions and random weights of realistic scale, for measurements without the real weights.

import { join, resolve } from 'node:path';
import { loadAddon } from '../native/load-addon.js';
import { LlamaGuardError } from '../errors/index.js';
import { type ContainerSpec, containerConfig, dimsProblem, writeModelFolder, writeText } from './container.js';
import { chooseGroup } from './group.js';
import { labelRows } from './labels.js';
import type { ProgressOptions } from './progress.js';
import type { PanelTarget } from './quantize.js';
import { writeTokenizer } from './source-tokenizer.js';
import { synthesizeTokenizer } from './synth-tokenizer.js';
import { writeRandomWeights } from './synth-weights.js';

/** Options of `synthesize`; the defaults are the dimensions of Llama Guard 3-1B-INT4. */
export interface SynthOptions extends ProgressOptions {
  /** Default 12. */
  readonly layers?: number;
  /** Default 2048. */
  readonly hiddenSize?: number;
  /** Default 6400. */
  readonly intermediateSize?: number;
  /** Default 32. */
  readonly heads?: number;
  /** Default 8. */
  readonly kvHeads?: number;
  /** Default 64. */
  readonly headDim?: number;
  /** At least 2074: tokens of the demo model and 256 control tokens. Default 128256. */
  readonly vocabSize?: number;
  /** Weights that share a scale: 32, 64, 128 or 256. Default: the largest that divides every row. */
  readonly group?: number;
  /** A whole number from 0 to 2^32 - 1; the same seed gives the same bytes. Default 1. */
  readonly seed?: number;
  /** Replace the model folder that is there. Default false. */
  readonly force?: boolean;
}

/** What a synthesis did. */
export interface SynthReport {
  /** Absolute path of the model folder. */
  readonly out: string;
  /** Size of model.safetensors. */
  readonly weightBytes: number;
  readonly durationMs: number;
}

const defaults = {
  layers: 12, hiddenSize: 2048, intermediateSize: 6400, heads: 32, kvHeads: 8, headDim: 64, vocabSize: 128_256,
  seed: 1,
};

/**
 * Writes a model folder with random weights. It is marked as a demo: its verdicts mean nothing.
 * @param out the new folder; must not exist or be empty, see `force`
 * @throws {ERR_LLAMA_GUARD_INVALID_ARGUMENT} dimensions or group are not possible, or `out` may not be replaced
 * @throws {ERR_LLAMA_GUARD_WRITE_FAILED} the result cannot be written; nothing is left of it
 */
export async function synthesize(out: string, options: SynthOptions = {}): Promise<SynthReport> {
  return synthesizeWith(loadAddon(), out, options);
}

/** `synthesize` with the given packing function. */
export async function synthesizeWith(
  packer: PanelTarget['packer'],
  out: string,
  options: SynthOptions = {},
): Promise<SynthReport> {
  const startMs = performance.now();
  const settings = { ...defaults, ...options };
  const tokenizer = await synthesizeTokenizer(settings.vocabSize);
  const spec = describe(settings, labelRows(tokenizer));
  const weightBytes = await writeModelFolder(out, { force: options.force ?? false }, async (folder) => {
    const bytes = await writeRandomWeights(join(folder, 'model.safetensors'), spec, { ...options, seed: settings.seed, packer });
    await writeTokenizer(tokenizer, folder);
    await writeText(join(folder, 'config.json'), containerConfig(spec));
    return bytes;
  });
  return { out: resolve(out), weightBytes, durationMs: performance.now() - startMs };
}

type Settings = typeof defaults & SynthOptions;

function describe(settings: Settings, labels: ContainerSpec['labels']): ContainerSpec {
  const { layers, hiddenSize, intermediateSize, heads, kvHeads, headDim, vocabSize, seed } = settings;
  const dims = { layers, hiddenSize, intermediateSize, heads, kvHeads, headDim, vocabSize, contextLength: 8192 };
  const problem = dimsProblem(dims);
  if (problem) throw new LlamaGuardError('ERR_LLAMA_GUARD_INVALID_ARGUMENT', problem);
  const group = chooseGroup({ hiddenSize, intermediateSize, 'heads * headDim': heads * headDim }, settings.group);
  return {
    dims: { ...dims, labels: labels.length },
    rmsNormEps: 1e-5,
    rope: {
      theta: 500_000,
      scaling: { factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 },
    },
    group,
    embeddingGroup: group,
    labels,
    demo: true,
    source: { name: `random weights, seed ${seed}`, files: [] },
  };
}
