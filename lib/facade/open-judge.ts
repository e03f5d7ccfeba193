// SPDX-License-Identifier: Apache-2.0
// Opens a model folder with an addon. Apart from LlamaGuard, so that tests can hand in an addon of their own and the
// benchmark can reach the passes beneath a guard.

import { fromNative, LlamaGuardError } from '../errors/index.js';
import { SnapshotStore } from '../kv-cache/snapshot-store.js';
import { type Container, openContainer } from '../loading/container.js';
import { modelKey } from '../loading/model-key.js';
import type { NativeAddon, NativeModel } from '../native/addon.js';
import { Judge } from './judge.js';
import type { EngineSettings } from './options.js';

export async function openJudge(addon: NativeAddon, folder: string, settings: EngineSettings): Promise<Judge> {
  checkIsa(addon, settings.engine.isa);
  const container = await openContainer(folder);
  const model = addon.loadModel(container.spec, settings.engine).catch((error: unknown) => {
    throw fromNative(error);
  });
  const keeps = settings.snapshots !== undefined && settings.cache.entries > 0;
  const key = keeps ? modelKey(container, model).catch(() => undefined) : undefined;
  const store = snapshotStore(container, await model, settings, await key);
  return new Judge(addon, container, await model, settings, store);
}

/** Undefined where no policy is kept, and where the weight file was replaced or became unreadable since it was opened. */
function snapshotStore(
  container: Container,
  model: NativeModel,
  { snapshots }: EngineSettings,
  modelKey: string | undefined,
): SnapshotStore | undefined {
  if (!snapshots || modelKey === undefined) return undefined;
  const onWarning = (message: string): void => process.emitWarning(message, 'LlamaGuardWarning');
  return new SnapshotStore({ ...snapshots, modelFolder: container.folder, modelKey, model, onWarning });
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
