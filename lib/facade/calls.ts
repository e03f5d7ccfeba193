// SPDX-License-Identifier: Apache-2.0
// The life of a call: tokenized at once, admitted when there is room, judged, and ended early by its signal or timeout.

import { LlamaGuardError } from '../errors/index.js';
import type { MessageInput } from '../prompt/conversation.js';
import { Admission } from '../scheduling/admission.js';
import { CallControl } from '../scheduling/call-control.js';
import type { Judge, Judgement } from './judge.js';
import type { CallSettings } from './options.js';
import type { PreparedCall } from './prompts.js';
import type { GuardStats, ModerationResult, Timings } from './result.js';

export class Calls {
  readonly judge: Judge;
  readonly #admission: Admission;

  constructor(judge: Judge) {
    this.judge = judge;
    this.#admission = new Admission({ maxQueue: judge.maxQueue });
  }

  get stats(): GuardStats {
    const { telemetry, cache } = this.judge;
    return {
      ...telemetry.calls,
      ...telemetry.work,
      waiting: this.#admission.waiting,
      running: this.#admission.admitted,
      policyCache: { entries: cache.entries, bytes: cache.bytes },
    };
  }

  assertOpen(): void {
    this.#admission.assertOpen();
  }

  /** @param bulk part of a batch that bounds itself: not refused for a full queue */
  moderate(input: string | readonly MessageInput[], settings: CallSettings, bulk = false): Promise<ModerationResult> {
    return this.judge.telemetry.count(async () => {
      this.assertOpen();
      const beginMs = performance.now();
      const control = new CallControl(settings);
      try {
        control.signal.throwIfAborted();
        const call = this.judge.prepare(input, settings);
        const queuedMs = performance.now();
        this.judge.telemetry.span('tokenize', beginMs, queuedMs);
        return await this.#admitted(call, bulk, control.signal, async () => {
          const startMs = performance.now();
          this.judge.telemetry.waited(queuedMs, startMs);
          const judgement = await this.judge.judge(call, control.signal);
          const { prefillMs, decodeMs } = judgement;
          const timings = { tokenizeMs: queuedMs - beginMs, queueMs: startMs - queuedMs, prefillMs, decodeMs };
          return this.#result(call, judgement, { ...timings, totalMs: performance.now() - beginMs }, settings);
        });
      } finally {
        control.end();
      }
    });
  }

  /** Waits for admitted calls, refuses waiting and later ones, and frees the model. */
  async close(): Promise<void> {
    await this.#admission.close(
      () => new LlamaGuardError('ERR_LLAMA_GUARD_DISPOSED', 'The guard was used after dispose()'),
    );
    await this.judge.dispose();
  }

  async #admitted<T>(call: PreparedCall, bulk: boolean, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const leave = await this.#admission.enter({ tokens: this.judge.ownTokens(call), bulk }, signal);
    try {
      return await work();
    } finally {
      leave();
    }
  }

  #result(call: PreparedCall, { verdict, usage }: Judgement, timings: Timings, settings: CallSettings): ModerationResult {
    const { labelLogits, labelProbabilities, ...rest } = verdict;
    return {
      ...rest,
      role: call.role,
      demo: this.judge.demo,
      usage,
      timings,
      ...(settings.labels ? { labels: labelProbabilities } : {}),
      ...(settings.logits ? { logits: labelLogits } : {}),
    };
  }
}
