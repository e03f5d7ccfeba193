// SPDX-License-Identifier: Apache-2.0
// One process of this project's engine on the common work. Arguments: model folder, threads, runs,
// conversations, instruction set or ''.

import { openContainer } from '../../lib/loading/container.js';
import type { NativeSequence } from '../../lib/native/addon.js';
import { loadAddon } from '../../lib/native/load-addon.js';
import * as work from './work.js';

const [folder, threads, runsText, conversationsText, isa] = process.argv.slice(2) as [string, string, string, string, string];
const runs = Number(runsText);
const conversations = Number(conversationsText);

const beginMs = performance.now();
const { spec } = await openContainer(folder);
const model = await loadAddon().loadModel(spec, { threads: Number(threads), isa });
const startMs = performance.now() - beginMs;

function pass(sequence: NativeSequence, ids: readonly number[], logits = 1): Promise<Float32Array> {
  return model.forward([{ sequence, tokens: Uint32Array.from(ids), logits }]);
}

async function onNewSequence<T>(use: (sequence: NativeSequence) => Promise<T>): Promise<T> {
  const sequence = model.createSequence();
  try {
    return await use(sequence);
  } finally {
    sequence.dispose();
  }
}

function prefillSeconds(size: number): Promise<number> {
  return work.medianSeconds(runs, (run) => onNewSequence((sequence) => work.seconds(() => pass(sequence, work.tokens(size, run)))));
}

function decodeSeconds(): Promise<number> {
  return onNewSequence(async (sequence) => {
    await pass(sequence, work.tokens(work.decodeContext, 3), 0);
    return work.medianSeconds(runs, (run) => {
      sequence.truncate(work.decodeContext);
      const ids = work.tokens(work.decodePasses, run);
      return work.seconds(async () => {
        for (const id of ids) await pass(sequence, [id]);
      });
    });
  });
}

/** Most of a pass: it takes 2048 tokens. */
const messagesPerPass = 16;

/** `count` messages behind one policy, which is in the cache; many in one pass. */
function messagesSeconds(count: number): Promise<number> {
  return onNewSequence(async (policy) => {
    await pass(policy, work.tokens(work.policyTokens, 7), 0);
    return work.medianSeconds(runs, (run) => {
      return work.seconds(async () => {
        const forks = Array.from({ length: count }, () => policy.fork(work.policyTokens));
        const item = (sequence: NativeSequence, index: number) => {
          return { sequence, tokens: Uint32Array.from(work.tokens(work.messageTokens, 100 * run + index)), logits: 1 };
        };
        const items = forks.map(item);
        for (let first = 0; first < count; first += messagesPerPass) {
          await model.forward(items.slice(first, first + messagesPerPass));
        }
        for (const fork of forks) fork.dispose();
      });
    });
  });
}

const prefill: Record<string, number> = {};
for (const size of work.prefillSizes) prefill[size] = size / (await prefillSeconds(size));
const decodeTokensPerS = work.decodePasses / (await decodeSeconds());
const repeatedCallMs = 1000 * (await messagesSeconds(1));
const peakRssMB = work.peakRssMB();
const report: work.Report = {
  program: 'llama-guard-int4',
  isa: model.isa,
  startMs,
  prefillTokensPerS: prefill,
  decodeTokensPerS,
  repeatedCallMs,
  ...(conversations > 0 && { conversationsPerS: conversations / (await messagesSeconds(conversations)) }),
  peakRssMB,
};
process.stdout.write(`${JSON.stringify(report)}\n`);
