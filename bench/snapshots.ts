// SPDX-License-Identifier: Apache-2.0
// node build/js/bench/snapshots.js <model folder>
// What a snapshot of a policy prefix costs and saves, on the native engine with its default settings: medians in ms.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { SnapshotStore } from '../lib/kv-cache/snapshot-store.js';
import { openContainer } from '../lib/loading/container.js';
import { modelKey } from '../lib/loading/model-key.js';
import type { NativeModel, NativeSequence } from '../lib/native/addon.js';
import { loadAddon } from '../lib/native/load-addon.js';

const rounds = 5;
const restTokens = 60;
const steps = ['compute', 'save', 'load', 'rest after computed', 'rest after loaded'] as const;
type Times = Record<(typeof steps)[number], number[]>;

/** Tokens that every vocabulary of 2048 or more has. */
const tokens = (count: number): Uint32Array => Uint32Array.from({ length: count }, (_, i) => (1 + i * 2654435761) % 2048);

async function timed<T>(into: number[], work: () => Promise<T>): Promise<T> {
  const beginMs = performance.now();
  const result = await work();
  into.push(performance.now() - beginMs);
  return result;
}

function median(values: readonly number[]): string {
  return ([...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN).toFixed(1);
}

async function round(model: NativeModel, store: SnapshotStore, count: number, times: Times): Promise<void> {
  const prefix = tokens(count);
  const feed = (sequence: NativeSequence, ids: Uint32Array): Promise<Float32Array> =>
    model.forward([{ sequence, tokens: ids, logits: 1 }]);
  const computed = model.createSequence();
  await timed(times.compute, () => feed(computed, prefix));
  await timed(times.save, () => store.save(prefix, computed.exportKv()));
  const loaded = await timed(times.load, () => store.load(prefix));
  if (!loaded) throw new Error('the snapshot was not there');
  const wanted = await timed(times['rest after computed'], () => feed(computed, tokens(restTokens)));
  const found = await timed(times['rest after loaded'], () => feed(loaded, tokens(restTokens)));
  if (Buffer.compare(Buffer.from(wanted.buffer), Buffer.from(found.buffer)) !== 0) throw new Error('the logits differ');
  computed.dispose();
  loaded.dispose();
}

const container = await openContainer(process.argv[2] ?? 'models/demo');
const model = await loadAddon().loadModel(container.spec, { threads: 0, isa: '' });
const folder = mkdtempSync(path.join(tmpdir(), 'llama-guard-bench-'));
const key = await modelKey(container, model);
if (key === undefined) throw new Error('the model changed while it was read');
console.log(`${model.isa}, ${model.threads} threads`);
const onWarning = (message: string): void => console.error(message);
const store = new SnapshotStore({ model, modelFolder: container.folder, modelKey: key, folder, env: {}, onWarning });
for (const count of [136, 600]) {
  const times = Object.fromEntries(steps.map((step) => [step, [] as number[]])) as Times;
  for (let i = 0; i < rounds; i++) await round(model, store, count, times);
  console.log(`${count} tokens: ${steps.map((step) => `${step} ${median(times[step])}`).join(', ')}`);
}
rmSync(folder, { recursive: true });
model.dispose();
