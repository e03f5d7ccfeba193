// SPDX-License-Identifier: Apache-2.0
// Options that every command with a model shares, and what a demo model makes every one of them say.

import { LlamaGuard } from '../facade/llama-guard.js';
import { type LoadOptions, maxThreads } from '../facade/options.js';
import type { ModerationResult } from '../facade/result.js';
import { integerOption, type OptionSpec, type OptionValues, stringOption } from './command.js';

export const guardOptions = {
  model: {
    type: 'string',
    value: 'DIR',
    help: 'Model folder. Default: LLAMA_GUARD_MODEL, else the embedded demo model.',
  },
  threads: { type: 'string', value: 'N', help: 'Threads that compute; 0 = the big CPUs that this process may use.' },
  isa: { type: 'string', value: 'NAME', help: 'Instruction set to force; `llama-guard info` lists the names.' },
} as const satisfies Record<string, OptionSpec>;

export const demoNotice = 'Demo model: its verdicts show how the package works and must not guard anything real.';

/** A result as JSON output shows it: with the notice where it comes from a demo model. */
export function withNotice(result: ModerationResult): ModerationResult & { notice?: string } {
  return result.demo ? { ...result, notice: demoNotice } : result;
}

export function loadOptionsOf(values: OptionValues): LoadOptions {
  const threads = integerOption(values, 'threads', 0, maxThreads);
  const isa = stringOption(values, 'isa');
  return { ...(threads === undefined ? {} : { threads }), ...(isa === undefined ? {} : { isa }) };
}

/** Runs `work` with the guard that the options describe, and disposes it. */
export async function withGuard<T>(values: OptionValues, work: (guard: LlamaGuard) => Promise<T>): Promise<T> {
  const guard = await LlamaGuard.load(stringOption(values, 'model'), loadOptionsOf(values));
  try {
    return await work(guard);
  } finally {
    await guard.dispose();
  }
}
