// SPDX-License-Identifier: Apache-2.0
// The life of a call: tokenized at once, admitted when there is room, judged, and ended early by its signal or timeout.

import { LlamaGuardError } from '../errors/index.js';
import type { ConversationInput } from '../prompt/conversation.js';
import { Admission, type Demand } from '../scheduling/admission.js';
import { CallControl } from '../scheduling/call-control.js';
import type { CallSettings, ModerateSettings } from './call-options.js';
import type { GrowingPrompt } from './growing-prompt.js';
import type { Judge, Judgement } from './judge.js';
import { judgeCall } from './judge-call.js';
import { inOrderModule, streaming } from './on-demand.js';
import type { PreparedCall } from './prompts.js';
import type { GuardStats, ModerationResult, Timings } from './result.js';
import type { ModerationStream } from './streaming/moderation-stream.js';
import type { StreamSettings } from './streaming/stream-options.js';

/** How a call differs from one that stands alone. */
export interface CallKind {
  /** Part of a batch or stream that bounds itself: not refused for a full queue. */
  readonly bulk?: boolean;
  /** The prompt continues the one that was judged before. */
  readonly growing?: GrowingPrompt;
}

export class Calls {
  readonly judge: Judge;
  readonly #admission: Admission;
  readonly #streams = new Set<ModerationStream>();

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

  moderate(
    input: ConversationInput,
    settings: CallSettings & Partial<ModerateSettings>,
    { bulk = false, growing }: CallKind = {},
  ): Promise<ModerationResult> {
    return this.judge.telemetry.count(async () => {
      this.assertOpen();
      const beginMs = performance.now();
      const control = new CallControl(settings);
      try {
        control.signal.throwIfAborted();
        const call = this.judge.prepare(input, settings);
        const queuedMs = performance.now();
        this.judge.telemetry.span('tokenize', beginMs, queuedMs);
        const demand = { ...demandOf(call, growing ?? this.judge), bulk };
        return await this.#admitted(demand, control.signal, async () => {
          const startMs = performance.now();
          this.judge.telemetry.waited(queuedMs, startMs);
          const { signal } = control;
          const judgement = await (growing ? growing.judge(call.prompts[0], signal) : judgeCall(this.judge, call, signal));
          const { prefillMs, decodeMs } = judgement;
          const timings = { tokenizeMs: queuedMs - beginMs, queueMs: startMs - queuedMs, prefillMs, decodeMs };
          return this.#result(call, judgement, { ...timings, totalMs: performance.now() - beginMs }, settings);
        });
      } finally {
        control.end();
      }
    });
  }

  /**
   * The outcome for every input, in order, a bounded number of them in the works at a time. Throws for wrong settings.
   *
   * @param onAbort what the settings' signal does: it ends the sequence with its error, or rejects what is left of it
   */
  moderateEach(
    inputs: Iterable<ConversationInput> | AsyncIterable<ConversationInput>,
    settings: ModerateSettings,
    onAbort: 'end' | 'reject',
  ): AsyncGenerator<PromiseSettledResult<ModerationResult>, void, undefined> {
    this.assertOpen();
    this.judge.prepare('.', settings);
    return this.#each(inputs, settings, onAbort);
  }

  async *#each(...[inputs, settings, onAbort]: Parameters<Calls['moderateEach']>): ReturnType<Calls['moderateEach']> {
    const control = new CallControl(settings.signal ? { signal: settings.signal } : {});
    const { signal } = control;
    const each = { ...settings, signal };
    const { inOrder } = inOrderModule();
    try {
      yield* inOrder(inputs, (input) => this.moderate(input, each, { bulk: true }), onAbort === 'end' ? { signal } : {});
    } finally {
      // Calls whose outcomes nobody waits for any more.
      control.stop();
      control.end();
    }
  }

  /** A stream whose answer follows the settings' messages; throws what `moderate` rejects with for wrong messages. */
  stream(settings: StreamSettings): ModerationStream {
    this.assertOpen();
    this.judge.prepare([...settings.messages, { role: 'assistant', content: 'a' }], settings.call);
    const { CheckSession, ModerationStream } = streaming();
    const session = new CheckSession(this, settings);
    const stream = new ModerationStream(session, settings);
    const { signal } = session;
    if (signal.aborted) stream.fail(signal.reason);
    signal.addEventListener('abort', () => stream.fail(signal.reason));
    this.#streams.add(stream);
    const forget = (): boolean => this.#streams.delete(stream);
    stream.report.then(forget, forget);
    return stream;
  }

  /** Waits for admitted calls, refuses waiting and later ones, fails open streams, and frees the model. */
  async close(): Promise<void> {
    const closing = this.#admission.close(disposed);
    for (const stream of this.#streams) stream.fail(disposed());
    await closing;
    await this.judge.dispose();
  }

  async #admitted<T>(demand: Demand, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const leave = await this.#admission.enter(demand, signal);
    try {
      return await work();
    } finally {
      leave();
    }
  }

  #result(call: PreparedCall, { verdict, usage, windows }: Judgement, timings: Timings, settings: CallSettings): ModerationResult {
    const { labelLogits, labelProbabilities, ...rest } = verdict;
    return {
      ...rest,
      mode: call.mode,
      role: call.role,
      demo: this.judge.demo,
      usage,
      timings,
      ...(windows ? { windows } : {}),
      ...(settings.labels ? { labels: labelProbabilities } : {}),
      ...(settings.logits ? { logits: labelLogits } : {}),
    };
  }
}

function demandOf(call: PreparedCall, judge: Pick<Judge, 'ownTokens'>): Demand {
  const tokens = call.prompts.map((prompt) => judge.ownTokens(prompt));
  return { tokens: tokens.reduce((sum, own) => sum + own, 0), longest: Math.max(...tokens) };
}

function disposed(): LlamaGuardError {
  return new LlamaGuardError('ERR_LLAMA_GUARD_DISPOSED', 'The guard was used after dispose()');
}
