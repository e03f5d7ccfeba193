// SPDX-License-Identifier: Apache-2.0
// Keys and values of a prompt that grows: every judgement computes what has come since the last one, and the fixed words
// after the text.

import type { Judge, Judgement, PromptSession } from './judge.js';
import type { PreparedPrompt } from './prompts.js';

export class GrowingPrompt {
  readonly #judge: Judge;
  #session: PromptSession | undefined;
  #closed = false;

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  /** Tokens that the next judgement computes, at least about. */
  ownTokens(prompt: PreparedPrompt): number {
    const held = this.#session?.tokens.length;
    if (held === undefined) return this.#judge.ownTokens(prompt);
    return Math.max(1, prompt.prefix.length + prompt.earlier.length + prompt.rest.length - held);
  }

  /** Judges the prompt as it is now. One at a time; after a failure every further one fails. */
  async judge(prompt: PreparedPrompt, signal: AbortSignal): Promise<Judgement> {
    const beginMs = performance.now();
    try {
      this.#session ??= await this.#judge.open(prompt, signal);
      signal.throwIfAborted();
      return await this.#judge.decide(this.#session, prompt, { beginMs, signal });
    } catch (error) {
      this.close();
      throw error;
    } finally {
      if (this.#closed) this.#session?.sequence.dispose();
    }
  }

  /** Gives keys and values back, at once or when the judgement that runs has ended. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#session?.sequence.dispose();
  }
}
