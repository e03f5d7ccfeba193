// SPDX-License-Identifier: Apache-2.0
// Judges the prompts of one call together: a first pass over each, and the naming of categories for the one that is the
// most unsafe.

import { LlamaGuardError } from '../errors/index.js';
import { Admission } from '../scheduling/admission.js';
import { together } from '../scheduling/together.js';
import type { CategoryResult, Verdict } from '../scoring/scores.js';
import { type Judge, type Judgement, namedCategories, type Reading } from './judge.js';
import type { PreparedCall, PreparedPrompt } from './prompts.js';
import type { Usage, WindowUse } from './result.js';

/** Runs the forward passes of a prepared call. Rejects with the signal's reason when it fires. */
export async function judgeCall(judge: Judge, call: PreparedCall, signal: AbortSignal): Promise<Judgement> {
  const beginMs = performance.now();
  const panel = new Panel(judge);
  try {
    const scores = await together(call.prompts, (prompt, index, stop) => panel.read(prompt, index, stop), signal);
    const prefillEndMs = performance.now();
    const verdict = await panel.name(signal);
    const timings = judge.telemetry.judged(beginMs, prefillEndMs);
    return {
      verdict: call.mode === 'list' ? verdict : byCategory(call, scores, verdict),
      usage: panel.usage,
      ...timings,
      ...windowOf(call, panel.index),
    };
  } finally {
    panel.dispose();
  }
}

/** Holds no more than the most unsafe of the prompts that have been read. */
class Panel {
  readonly #judge: Judge;
  /** What the prompts of one call hold at once is bounded as what calls hold. */
  readonly #admission = new Admission({ maxQueue: 0 });
  #usage: Usage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0, passes: 0 };
  #first: { readonly reading: Reading; readonly index: number } | undefined;

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  /** What has been accounted for: all prompts once name() has ended. */
  get usage(): Usage {
    return this.#usage;
  }

  /** The index of the most unsafe prompt. */
  get index(): number {
    return this.#first?.index ?? 0;
  }

  /** P(unsafe) of a prompt. */
  async read(prompt: PreparedPrompt, index: number, signal: AbortSignal): Promise<number> {
    const leave = await this.#admission.enter({ tokens: this.#judge.ownTokens(prompt), bulk: true }, signal);
    try {
      const session = await this.#judge.open(prompt, signal);
      try {
        const reading = await this.#judge.read(session, prompt, signal);
        this.#rank(reading, index);
        return reading.decoder.score;
      } catch (error) {
        session.sequence.dispose();
        throw error;
      }
    } finally {
      leave();
    }
  }

  /** The verdict of the most unsafe prompt; of equal ones the first. */
  async name(signal: AbortSignal): Promise<Verdict> {
    if (!this.#first) throw new LlamaGuardError('ERR_LLAMA_GUARD_INTERNAL', 'A call has no prompt');
    const verdict = await this.#judge.name(this.#first.reading, signal);
    this.#account(this.#first.reading, verdict);
    return verdict;
  }

  dispose(): void {
    this.#first?.reading.session.sequence.dispose();
  }

  #rank(reading: Reading, index: number): void {
    const first = this.#first;
    const difference = first ? reading.decoder.score - first.reading.decoder.score : 1;
    const ahead = difference > 0 || (difference === 0 && index < (first?.index ?? 0));
    const other = ahead ? first?.reading : reading;
    if (ahead) this.#first = { reading, index };
    if (!other) return;
    this.#account(other);
    other.session.sequence.dispose();
  }

  #account(reading: Reading, verdict?: Verdict): void {
    const usage = this.#judge.account(reading, verdict);
    this.#usage = {
      promptTokens: this.#usage.promptTokens + usage.promptTokens,
      cachedTokens: this.#usage.cachedTokens + usage.cachedTokens,
      completionTokens: this.#usage.completionTokens + usage.completionTokens,
      passes: this.#usage.passes + usage.passes,
    };
  }
}

/** The verdict on prompts about one category each: every category has its own P(unsafe), the largest of all windows. */
function byCategory(call: PreparedCall, scores: readonly number[], verdict: Verdict): Verdict {
  const asked = new Map<string, CategoryResult>();
  for (const [index, prompt] of call.prompts.entries()) {
    const score = scores[index] ?? 0;
    for (const { code, name } of namedCategories(prompt)) {
      asked.set(code, { code, name, score: Math.max(score, asked.get(code)?.score ?? 0) });
    }
  }
  const all = [...asked.values()];
  return {
    ...verdict,
    categories: all.filter(({ score }) => score >= call.thresholds.review).sort((a, b) => b.score - a.score),
    categoryScores: Object.fromEntries(all.map(({ code, score }) => [code, score])),
  };
}

/** Which window of a call the prompt of this index is about. */
function windowOf({ prompts, windows }: PreparedCall, index: number): { windows?: WindowUse } {
  if (!windows) return {};
  const window = Math.floor((index * windows.length) / prompts.length);
  return { windows: { count: windows.length, index: window, tokens: windows[window] ?? 0 } };
}
