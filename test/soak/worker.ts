// SPDX-License-Identifier: Apache-2.0
// A worker thread with a guard of its own, which judges some calls at once and tells their outcomes. The soak may
// terminate it at any moment.

import { parentPort, workerData } from 'node:worker_threads';

import { LlamaGuard } from '../../lib/index.js';
import { type Outcome, outcomeOf } from '../support/verdict-bits.js';
import type { Input } from './inputs.js';

export interface WorkerData {
  readonly inputs: readonly Input[];
  readonly snapshots: string;
}
/** `outcome` is absent when the call begins. */
export type WorkerMessage = { readonly index: number; readonly outcome?: Outcome };

const tell = (message: WorkerMessage): void => parentPort!.postMessage(message);

const { inputs, snapshots } = workerData as WorkerData;
const guard = await LlamaGuard.load(undefined, { threads: 1, snapshots });
const calls = inputs.map(async ({ messages, options }, index) => {
  tell({ index });
  tell({ index, outcome: await outcomeOf(guard.moderate(messages, options)) });
});
await Promise.all(calls);
await guard.dispose();
