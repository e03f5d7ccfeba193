// SPDX-License-Identifier: Apache-2.0
// What a whole call takes: with its policy kept and computed, for a short and a long policy; and many calls at once.

import type { MessageInput, ModerateOptions } from '../../lib/index.js';
import { seconds } from '../peer/work.js';
import { conversationOf, policyOf, type Subject } from './subject.js';

/** Milliseconds. */
export interface VerdictTimes {
  /** The policy was there. */
  readonly keptMs: number;
  /** The policy was computed. */
  readonly computedMs: number;
}

export interface PolicyRound {
  readonly official: VerdictTimes;
  readonly custom: VerdictTimes;
}

/** Verdicts a second. */
export interface CrowdRound {
  readonly atOncePerS: number;
  readonly singlePerS: number;
}

/** What a message of 25 tokens adds to the official prompt after its policy, in Llama 3's tokens. */
export const newTokens = 84;
export const conversations = 32;
const customPolicyTokens = 600;
/** Calls of the comparison one after another; all would take most of the benchmark's time. */
const singles = 8;

/** A verdict that names no categories, whatever the model is: naming takes passes of its own. */
const threshold = 1;

export class Verdicts {
  /** Tokens of the prefix of the custom policy. */
  readonly customTokens: number;
  readonly #subject: Subject;
  readonly #conversations: readonly (readonly MessageInput[])[];
  readonly #custom: ModerateOptions;

  constructor(subject: Subject) {
    this.#subject = subject;
    this.#conversations = Array.from({ length: conversations }, (_, i) => conversationOf(subject.judge, newTokens, i));
    const { options, tokens } = policyOf(subject.judge, customPolicyTokens);
    this.#custom = options;
    this.customTokens = tokens;
  }

  /** Each policy computed and kept, in turns. */
  async policies(): Promise<PolicyRound> {
    this.#subject.judge.cache.clear();
    const computed = await this.#callMs({});
    const computedCustom = await this.#callMs(this.#custom);
    const kept = await this.#callMs({});
    const keptCustom = await this.#callMs(this.#custom);
    return {
      official: { computedMs: computed, keptMs: kept },
      custom: { computedMs: computedCustom, keptMs: keptCustom },
    };
  }

  /** Different conversations at once, and some of them one after another. */
  async crowd(): Promise<CrowdRound> {
    const atOnce = await seconds(() => Promise.all(this.#conversations.map((messages) => this.#call(messages))));
    const oneByOne = await seconds(async () => {
      for (const messages of this.#conversations.slice(0, singles)) await this.#call(messages);
    });
    return { atOncePerS: conversations / atOnce, singlePerS: singles / oneByOne };
  }

  #call(messages: readonly MessageInput[], options: ModerateOptions = {}): Promise<unknown> {
    return this.#subject.guard.moderate(messages, { ...options, threshold });
  }

  async #callMs(options: ModerateOptions): Promise<number> {
    return 1000 * (await seconds(() => this.#call(this.#conversations[0]!, options)));
  }
}
