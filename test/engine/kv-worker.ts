// SPDX-License-Identifier: Apache-2.0
// A worker thread that maps keys and values from a file and answers with the logits after some more tokens.

import { parentPort, workerData } from 'node:worker_threads';

import { append, loadDemo } from './demo-engine.js';

export interface KvWork {
  readonly path: string;
  readonly length: number;
  readonly tokens: Uint32Array;
}

const { path, length, tokens } = workerData as KvWork;
const model = await loadDemo({ threads: 1, isa: '' });
parentPort!.postMessage(await append(model, model.mapSequence(path, 0, length), tokens));
