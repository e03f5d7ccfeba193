// SPDX-License-Identifier: Apache-2.0
// The real addon, with a count of the sequences that nobody has disposed: garbage collection would hide one that was
// forgotten.

import type { NativeAddon, NativeModel, NativeSequence } from '../../lib/native/addon.js';
import { loadAddon } from '../../lib/native/load-addon.js';

export interface SequenceCount {
  live: number;
  made: number;
}

export function countedAddon(count: SequenceCount): NativeAddon {
  const addon = loadAddon();
  return { ...addon, loadModel: async (spec, options) => countedModel(await addon.loadModel(spec, options), count) };
}

/** The methods are replaced on the object itself: the addon takes none but its own objects. */
function countedModel(model: NativeModel, count: SequenceCount): NativeModel {
  const createSequence = model.createSequence.bind(model);
  const mapSequence = model.mapSequence.bind(model);
  model.createSequence = () => counted(createSequence(), count);
  model.mapSequence = (path, offset, length) => counted(mapSequence(path, offset, length), count);
  return model;
}

function counted(sequence: NativeSequence, count: SequenceCount): NativeSequence {
  const fork = sequence.fork.bind(sequence);
  const dispose = sequence.dispose.bind(sequence);
  let isLive = true;
  count.live++;
  count.made++;
  sequence.fork = (length) => counted(fork(length), count);
  sequence.dispose = () => {
    if (isLive) count.live--;
    isLive = false;
    dispose();
  };
  return sequence;
}
