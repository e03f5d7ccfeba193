// SPDX-License-Identifier: Apache-2.0
// Opens a model folder with an addon. Apart from LlamaGuard, so that tests can hand in an addon of their own and the
// benchmark can reach the passes beneath a guard.

import { fromNative, LlamaGuardError } from '../errors/index.js';
import { SnapshotStore } from '../kv-cache/snapshot-store.js';
import { type Container, type ModelFolder, openModelFolder, readTokenizer } from '../loading/container.js';
import { modelKey } from '../loading/model-key.js';
import type { EngineOptions, NativeAddon, NativeModel } from '../native/addon.js';
import { Judge } from './judge.js';
import type { EngineSettings } from './options.js';

/** The addon maps and checks the weights while the tokenizer is read and checked here. */
export async function openJudge(addon: NativeAddon, folder: string, settings: EngineSettings): Promise<Judge> {
  checkIsa(addon, settings.engine.isa);
  const opening = openModelFolder(folder);
  const mapping = opening.then((opened) => mapModel(addon, opened, settings.engine));
  const [mapped, tokenizer] = await Promise.allSettled([mapping, readTokenizer(folder, opening)]);
  if (tokenizer.status === 'rejected') {
    if (mapped.status === 'fulfilled') mapped.value.dispose();
    throw tokenizer.reason;
  }
  if (mapped.status === 'rejected') throw mapped.reason;
  const container = { ...(await opening), tokenizer: tokenizer.value };
  const store = await snapshotStore(container, mapped.value, settings);
  return new Judge(addon, container, mapped.value, settings, store);
}

async function mapModel(addon: NativeAddon, { spec }: ModelFolder, options: EngineOptions): Promise<NativeModel> {
  try {
    const model = await addon.loadModel(spec, options);
    // A hint, which nobody waits for: the first pass would do the same bit by bit.
    void model.populate().catch(() => undefined);
    return model;
  } catch (error) {
    throw fromNative(error);
  }
}

/** Undefined where no policy is kept, and where the weight file was replaced or became unreadable since it was opened. */
async function snapshotStore(
  container: Container,
  model: NativeModel,
  { snapshots, cache }: EngineSettings,
): Promise<SnapshotStore | undefined> {
  if (!snapshots || cache.entries === 0) return undefined;
  const key = await modelKey(container, model).catch(() => undefined);
  if (key === undefined) return undefined;
  const onWarning = (message: string): void => process.emitWarning(message, 'LlamaGuardWarning');
  return new SnapshotStore({ ...snapshots, modelFolder: container.folder, modelKey: key, model, onWarning });
}

/** The addon checks again; here the message can list what there is. */
function checkIsa(addon: NativeAddon, isa: string): void {
  if (isa === '') return;
  const isas = addon.isas();
  const entry = isas.find((candidate) => candidate.name === isa);
  if (!entry) {
    const names = isas.map((candidate) => candidate.name).join(', ');
    throw new LlamaGuardError(
      'ERR_LLAMA_GUARD_UNKNOWN_ISA',
      `The instruction set must be one of ${names}, found ${JSON.stringify(isa.slice(0, 40))}`,
    );
  }
  if (!entry.supported) {
    const names = isas.filter((candidate) => candidate.supported).map((candidate) => candidate.name);
    throw new LlamaGuardError(
      'ERR_LLAMA_GUARD_UNSUPPORTED_ISA',
      `This CPU can run ${names.join(', ')}, and not ${isa}`,
    );
  }
}
