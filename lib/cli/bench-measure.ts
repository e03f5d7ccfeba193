// SPDX-License-Identifier: Apache-2.0
// The measurements of `llama-guard bench`: loading, prefill, decode and whole verdicts, each several times.

import { moderateSettings } from '../facade/call-options.js';
import type { Judge } from '../facade/judge.js';
import { guardOver, type LlamaGuard } from '../facade/llama-guard.js';
import type { ModerationResult } from '../facade/result.js';
import { openJudge } from '../facade/open-judge.js';
import type { PreparedPrompt } from '../facade/prompts.js';
import type { EngineSettings } from '../facade/options.js';
import { loadAddon } from '../native/load-addon.js';

/** Median and range of the runs. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface BenchVerdict {
  readonly prompt: number;
  /** Those of the prompt that come after the policy. */
  readonly afterPolicy: number;
  readonly passes: number;
}

export interface BenchResult {
  /** From the call of load() to a guard, the addon included; once. */
  readonly loadMs: number;
  /** From the call of load() to the first verdict; once. */
  readonly firstVerdictMs: number;
  /** By the number of tokens of the prompt. */
  readonly prefillTokensPerS: Readonly<Record<string, Spread>>;
  /** One token a pass, after a context of `decodeContext` tokens. */
  readonly decodeTokensPerS: Spread;
  /** A verdict with no policy in the cache. */
  readonly uncachedVerdictMs: Spread;
  /** The same verdict with the policy in the cache. */
  readonly repeatedVerdictMs: Spread;
  /** Largest resident memory of this process so far, in 10^6 bytes. */
  readonly peakRssMB: number;
  readonly threads: number;
  readonly isa: string;
  readonly runs: number;
  /** What a verdict with the policy in the cache consists of. */
  readonly verdictTokens: BenchVerdict;
  readonly decodeContext: number;
}

export interface BenchOptions {
  readonly folder: string;
  readonly settings: EngineSettings;
  readonly runs: number;
  readonly onProgress: (fraction: number, what: string) => void;
}

const prefillSizes = [64, 256, 512] as const;
const decodeContext = 512;
const decodePasses = 32;
/** What a message of 25 tokens adds to the official prompt after its policy, in Llama 3's tokens. */
const wantedTokensAfterPolicy = 84;

export async function measure(options: BenchOptions): Promise<BenchResult> {
  const beginMs = performance.now();
  const judge = await openJudge(loadAddon(), options.folder, options.settings);
  const guard = guardOver(judge);
  try {
    const loadMs = performance.now() - beginMs;
    const text = fittingMessage(judge);
    await verdict(guard, text);
    const firstVerdictMs = performance.now() - beginMs;
    const { runs, onProgress } = options;
    const prefillTokensPerS: Record<string, Spread> = {};
    for (const [index, size] of prefillSizes.entries()) {
      onProgress(index / 5, `prefill of ${size} tokens`);
      prefillTokensPerS[size] = await spread(runs, async () => size / ((await prefillMs(judge, size)) / 1000));
    }
    onProgress(3 / 5, 'decode');
    const decodeTokensPerS = await spread(runs, async () => decodePasses / ((await decodeMs(judge)) / 1000));
    onProgress(4 / 5, 'verdicts');
    const uncachedVerdictMs = await spread(runs, async () => {
      judge.cache.clear();
      return (await verdict(guard, text)).timings.totalMs;
    });
    const repeatedVerdictMs = await spread(runs, async () => (await verdict(guard, text)).timings.totalMs);
    const { promptTokens, cachedTokens, passes } = (await verdict(guard, text)).usage;
    return {
      loadMs,
      firstVerdictMs,
      prefillTokensPerS,
      decodeTokensPerS,
      uncachedVerdictMs,
      repeatedVerdictMs,
      peakRssMB: (process.resourceUsage().maxRSS * 1024) / 1e6,
      threads: judge.model.threads,
      isa: judge.model.isa,
      runs,
      verdictTokens: { prompt: promptTokens, afterPolicy: promptTokens - cachedTokens, passes },
      decodeContext,
    };
  } finally {
    await guard.dispose();
  }
}

/** One warm-up, then the runs. */
async function spread(runs: number, once: () => Promise<number>): Promise<Spread> {
  await once();
  const values: number[] = [];
  for (let run = 0; run < runs; run++) values.push(await once());
  values.sort((a, b) => a - b);
  const middle = values.length >> 1;
  const upper = values[middle] ?? NaN;
  const median = values.length % 2 === 1 ? upper : ((values[middle - 1] ?? NaN) + upper) / 2;
  return { median, min: values[0] ?? NaN, max: values.at(-1) ?? NaN };
}

async function prefillMs(judge: Judge, size: number): Promise<number> {
  const sequence = judge.model.createSequence();
  try {
    const tokens = someTokens(judge, size);
    const beginMs = performance.now();
    await judge.model.forward([{ sequence, tokens, logits: 1 }]);
    return performance.now() - beginMs;
  } finally {
    sequence.dispose();
  }
}

async function decodeMs(judge: Judge): Promise<number> {
  const sequence = judge.model.createSequence();
  try {
    await judge.model.forward([{ sequence, tokens: someTokens(judge, decodeContext), logits: 0 }]);
    const next = someTokens(judge, decodePasses);
    const beginMs = performance.now();
    for (let i = 0; i < decodePasses; i++) {
      await judge.model.forward([{ sequence, tokens: next.subarray(i, i + 1), logits: 1 }]);
    }
    return performance.now() - beginMs;
  } finally {
    sequence.dispose();
  }
}

/** With a threshold of 1 the verdict is a safe one, whatever the model is: naming categories takes passes of its own. */
function verdict(guard: LlamaGuard, text: string): Promise<ModerationResult> {
  return guard.moderate(text, { threshold: 1 });
}

function promptOf(judge: Judge, text: string): PreparedPrompt {
  return judge.prepare(text, moderateSettings(undefined)).prompts[0];
}

/** Ids as the guard meets them: those of a prompt, over and over. They decide which embedding rows become resident. */
function someTokens(judge: Judge, count: number): Uint32Array {
  const { prefix, rest } = promptOf(judge, 'Which of these two trains is the faster one?');
  const prompt = [...prefix, ...rest];
  return Uint32Array.from({ length: count }, (_, i) => prompt[i % prompt.length] ?? 0);
}

/**
 * A message that makes the prompt have the wanted number of tokens after the policy; with a tokenizer whose
 * instruction alone is longer, the shortest message.
 */
function fittingMessage(judge: Judge): string {
  const afterPolicy = (text: string): number => promptOf(judge, text).rest.length;
  const fillers = [' bread', ' the', ' a', ' 1', '!', '?', '.'];
  let message = 'How';
  let tokens = afterPolicy(message);
  while (tokens < wantedTokensAfterPolicy) {
    const next = fillers.map((filler) => message + filler).find((text) => fits(afterPolicy(text)));
    if (next === undefined) break;
    message = next;
    tokens = afterPolicy(message);
  }
  return message;

  function fits(longer: number): boolean {
    return longer > tokens && longer <= wantedTokensAfterPolicy;
  }
}
