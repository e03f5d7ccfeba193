// SPDX-License-Identifier: Apache-2.0
// The demo model on the native engine, fed with token ids.

import { openContainer } from '../../lib/loading/container.js';
import type { EngineOptions, NativeModel, NativeSequence } from '../../lib/native/addon.js';
import { loadAddon } from '../../lib/native/load-addon.js';

export async function loadDemo(options: EngineOptions = { threads: 2, isa: '' }): Promise<NativeModel> {
  return loadAddon().loadModel((await openContainer('models/demo')).spec, options);
}

/** Ids that wander over the vocabulary of the demo model. */
export function tokens(count: number, seed: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => (seed + i * 2654435761) % 4096);
}

/** Appends tokens to a sequence in one pass; the logits of the last of them. */
export async function append(model: NativeModel, sequence: NativeSequence, ids: Uint32Array): Promise<number[]> {
  return [...(await model.forward([{ sequence, tokens: ids, logits: 1 }]))];
}

/** What `append` would give, without changing the sequence. */
export async function appendToFork(model: NativeModel, sequence: NativeSequence, ids: Uint32Array): Promise<number[]> {
  const fork = sequence.fork(sequence.length);
  try {
    return await append(model, fork, ids);
  } finally {
    fork.dispose();
  }
}
