// SPDX-License-Identifier: Apache-2.0
// Spreads conversations over worker threads, each with a reference judge of its own.

import { fileURLToPath } from 'node:url';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

import { readCheckpoint } from './checkpoint.js';
import { readContainer } from './container.js';
import type { DecoderOptions } from './decoder.js';
import { type Readings, ReferenceJudge } from './judge.js';
import type { ReferenceModel } from './model.js';
import { type Message, ReferenceTokenizer } from './text.js';

/** What a judge reads: a converted container, or a checkpoint as it is or rounded to INT4 groups. */
export type Source =
  | { readonly kind: 'container'; readonly folder: string }
  | { readonly kind: 'checkpoint'; readonly folder: string; readonly labelIds: readonly number[]; readonly group?: number };

export interface Job {
  readonly source: Source;
  /** Path of a tokenizer.json. */
  readonly tokenizer: string;
  readonly rounding: DecoderOptions;
  readonly conversations: readonly (readonly Message[])[];
}

/** The model that `source` names. */
export function readModel(source: Source): ReferenceModel {
  return source.kind === 'container' ? readContainer(source.folder) : readCheckpoint(source.folder, source);
}

function work(job: Job): Readings[] {
  const judge = new ReferenceJudge(readModel(job.source), new ReferenceTokenizer(job.tokenizer), job.rounding);
  return job.conversations.map((messages) => judge.read(messages));
}

function inWorker(job: Job): Promise<Readings[]> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: job });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

/** Readings of every conversation, in order. */
export async function readAll(job: Job, { workers }: { workers: number }): Promise<Readings[]> {
  // Dealt out in turn, so that long conversations spread.
  const hands = Array.from({ length: workers }, (_, w) => job.conversations.filter((_c, i) => i % workers === w));
  const results = await Promise.all(hands.map((conversations) => inWorker({ ...job, conversations })));
  return job.conversations.map((_, i) => results[i % workers]![Math.floor(i / workers)]!);
}

if (!isMainThread && workerData !== null) parentPort!.postMessage(work(workerData as Job));
