// SPDX-License-Identifier: Apache-2.0
// One process of llama.cpp, through node-llama-cpp's public interface, on the common work. It is not a dependency:
// arguments are the folder that it is installed in, a GGUF file, threads, runs, conversations.

import path from 'node:path';
import { pathToFileURL } from 'node:url';

import * as work from './work.js';

/** What is used of node-llama-cpp. */
interface PeerSequence {
  /** Tokens held. */
  readonly nextTokenIndex: number;
  evaluate(ids: readonly number[], options: object): AsyncIterable<number>;
  clearHistory(): Promise<void>;
  /** Keeps what the tokens held have in common with `ids`. */
  adaptStateToTokens(ids: readonly number[], allowShift: boolean): Promise<void>;
}
interface PeerContext {
  getSequence(): PeerSequence;
  dispose(): Promise<void>;
}
interface PeerModel {
  createContext(options: object): Promise<PeerContext>;
}
interface PeerModule {
  getLlama(options: object): Promise<{ readonly systemInfo: string; loadModel(options: object): Promise<PeerModel> }>;
}

const [install, modelPath, ...numbers] = process.argv.slice(2) as [string, string, string, string, string];
const [threads, runs, conversations] = numbers.map(Number) as [number, number, number];
const greedy = { temperature: 0, yieldEogToken: true };

const entry = path.join(install, 'node_modules/node-llama-cpp/dist/index.js');
const { getLlama } = (await import(pathToFileURL(entry).href)) as PeerModule;
const beginMs = performance.now();
const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'warn', maxThreads: threads });
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({ contextSize: 1024, batchSize: 512, threads });
const startMs = performance.now() - beginMs;
const sequence = context.getSequence();

/** Appends ids, then generates `count` tokens. */
async function generate(on: PeerSequence, ids: readonly number[], count: number): Promise<void> {
  let generated = 0;
  for await (const _ of on.evaluate(ids, greedy)) if (++generated >= count) break;
}

function prefillSeconds(size: number): Promise<number> {
  return work.medianSeconds(runs, async (run) => {
    await sequence.clearHistory();
    return work.seconds(() => generate(sequence, work.tokens(size, run), 1));
  });
}

/** For one token. How many were evaluated is read from the sequence, since a generator may run one ahead. */
async function decodeSeconds(): Promise<number> {
  await sequence.clearHistory();
  const context512 = work.tokens(work.decodeContext, 3);
  await generate(sequence, context512, 1);
  return work.medianSeconds(runs, async (run) => {
    await sequence.adaptStateToTokens(context512, false);
    const before = sequence.nextTokenIndex;
    const total = await work.seconds(() => generate(sequence, work.tokens(1, run), work.decodePasses));
    return total / (sequence.nextTokenIndex - before);
  });
}

/** The policy stays; all after it is evaluated anew. */
async function judge(on: PeerSequence, message: readonly number[]): Promise<void> {
  const ids = [...work.tokens(work.policyTokens, 7), ...message];
  await on.adaptStateToTokens(ids.slice(0, -1), false);
  await generate(on, ids.slice(on.nextTokenIndex), 1);
}

async function repeatedSeconds(): Promise<number> {
  await sequence.clearHistory();
  return work.medianSeconds(runs, (run) => work.seconds(() => judge(sequence, work.tokens(work.messageTokens, 100 * run))));
}

/** Sequences in parallel, the policy in each, batched by node-llama-cpp. */
async function conversationsSeconds(): Promise<number> {
  await context.dispose();
  const options = { contextSize: 448, sequences: conversations, batchSize: 512, threads };
  const shared = await model.createContext(options);
  const sequences = Array.from({ length: conversations }, () => shared.getSequence());
  return work.medianSeconds(runs, (run) => {
    const message = (index: number): number[] => work.tokens(work.messageTokens, 100 * run + index);
    return work.seconds(() => Promise.all(sequences.map((one, index) => judge(one, message(index)))));
  });
}

const prefill: Record<string, number> = {};
for (const size of work.prefillSizes) prefill[size] = size / (await prefillSeconds(size));
const decodeTokensPerS = 1 / (await decodeSeconds());
const repeatedCallMs = 1000 * (await repeatedSeconds());
const peakRssMB = work.peakRssMB();
const report: work.Report = {
  program: 'node-llama-cpp',
  isa: llama.systemInfo,
  startMs,
  prefillTokensPerS: prefill,
  decodeTokensPerS,
  repeatedCallMs,
  ...(conversations > 0 && { conversationsPerS: conversations / (await conversationsSeconds()) }),
  peakRssMB,
};
process.stdout.write(`${JSON.stringify(report)}\n`);
process.exit(0);
