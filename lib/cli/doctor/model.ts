// SPDX-License-Identifier: Apache-2.0
// The model folder, what judging with it takes, and where computed policies are saved.

import { existsSync } from 'node:fs';
import path from 'node:path';

import { fromNative, LlamaGuardError } from '../../errors/index.js';
import { loadSettings, modelFolder, type SnapshotSettings } from '../../facade/options.js';
import { snapshotFolders } from '../../kv-cache/snapshot-folder.js';
import { type Container, openContainer } from '../../loading/container.js';
import type { EngineOptions, NativeAddon } from '../../native/addon.js';
import type { ModelReport } from './report.js';
import { type DoctorSources, isWritable } from './sources.js';

/** Llama Guard 3-1B-INT4 as `llama-guard synth` lays it out: weights read for every token, and keys and values of a token. */
export const fullSize = { bytesPerPass: 313_091_712, kvBytesPerToken: 24_576 } as const;

/** Tokens in the works at once, docs/engine.md. */
const tokensAtOnce = 4096;
/** Node itself, activations and the tokenizer. */
const otherBytes = 100e6;

/** @param addon what loads the model, to see whether it does; undefined where there is no binary */
export async function examineModel(
  sources: DoctorSources,
  given: string | undefined,
  addon: NativeAddon | undefined,
): Promise<ModelReport> {
  const folder = path.resolve(modelFolder(given, sources.env));
  let snapshots: ModelReport['snapshots'] = { path: null, state: 'off' };
  try {
    const settings = loadSettings(undefined, sources.env);
    snapshots = await examineSnapshots(folder, settings.snapshots);
    const container = await openContainer(folder);
    await tryToLoad(addon, container, settings.engine);
    const { demo } = container.config;
    const neededBytes = needed(demo ? fullSize : sizesOf(container));
    return { path: folder, demo, weightBytes: container.weightsStamp.bytes, neededBytes, error: null, snapshots };
  } catch (error) {
    if (!LlamaGuardError.isInstance(error)) throw error;
    const message = `${error.code}: ${error.message}`;
    return { path: folder, demo: false, weightBytes: null, neededBytes: needed(fullSize), error: message, snapshots };
  }
}

/** Maps the weights, which checks every range and shape, with the threads and the instruction set of the environment. */
async function tryToLoad(addon: NativeAddon | undefined, { spec }: Container, options: EngineOptions): Promise<void> {
  const model = await addon?.loadModel(spec, options).catch((error: unknown) => {
    throw fromNative(error);
  });
  model?.dispose();
}

interface Sizes {
  readonly bytesPerPass: number;
  readonly kvBytesPerToken: number;
}

/** Of the embedding a pass reads some rows only; keys and values are halves. */
function sizesOf({ spec }: Container): Sizes {
  const { layers, kvHeads, headDim } = spec.dims;
  const read = spec.tensors.filter(({ name }) => !name.startsWith('tok_embeddings.'));
  return {
    bytesPerPass: read.reduce((total, { begin, end }) => total + end - begin, 0),
    kvBytesPerToken: layers * 2 * kvHeads * headDim * 2,
  };
}

function needed({ bytesPerPass, kvBytesPerToken }: Sizes): number {
  return bytesPerPass + tokensAtOnce * kvBytesPerToken + otherBytes;
}

async function examineSnapshots(folder: string, settings: SnapshotSettings | undefined): Promise<ModelReport['snapshots']> {
  if (settings === undefined) return { path: null, state: 'off' };
  const places = snapshotFolders({ ...settings, modelFolder: folder });
  for (const place of places) {
    const mayBeUsed = !existsSync(place.path) || (await place.isTrusted());
    if (mayBeUsed && (await isWritable(place.path))) return { path: place.path, state: 'usable' };
  }
  return { path: places.at(-1)?.path ?? null, state: 'not usable' };
}
