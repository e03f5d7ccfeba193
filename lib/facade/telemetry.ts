// SPDX-License-Identifier: Apache-2.0
// Counters and timing spans. Neither holds text, tokens or categories of what was judged.

import { LlamaGuardError } from '../errors/index.js';
import type { PassReport } from '../scheduling/passes.js';
import type { Timings, Usage } from './result.js';

/** What took time: parts of one call, and the forward passes, which calls share. */
export type SpanName = 'tokenize' | 'queue' | 'prefill' | 'decode' | 'pass';

export interface Span {
  readonly name: SpanName;
  /** On the clock of `performance.now()`. */
  readonly beginMs: number;
  readonly durationMs: number;
  /** Of a pass: tokens that it computed. */
  readonly tokens?: number;
  /** Of a pass: conversations that shared it. */
  readonly sequences?: number;
}

/** Receives each span when it ends. Must not throw; what it throws is reported once as a process warning. */
export type SpanListener = (span: Span) => void;

/** Counters since the guard was loaded. */
export interface CallCounters {
  /** Calls that have begun, in whatever way they ended. */
  calls: number;
  /** Calls that were answered. */
  verdicts: number;
  /** Verdicts that were `unsafe`. */
  flagged: number;
  /** Ended by their AbortSignal. */
  aborted: number;
  /** Ended by their timeout. */
  overdue: number;
  /** Refused because the queue was full. */
  overloaded: number;
  /** Ended by any other error. */
  failed: number;
}

export interface WorkCounters {
  /** Forward passes. */
  passes: number;
  /** Tokens that passes computed: policies, prompts and verdicts. */
  computedTokens: number;
  /** Prompt tokens of verdicts whose keys and values were there already. */
  cachedTokens: number;
  /** Milliseconds during which a pass ran. */
  passMs: number;
  /** Milliseconds that calls waited for admission, all together, and the longest wait. */
  waitMs: number;
  longestWaitMs: number;
}

export class Telemetry {
  readonly calls: CallCounters = { calls: 0, verdicts: 0, flagged: 0, aborted: 0, overdue: 0, overloaded: 0, failed: 0 };
  readonly work: WorkCounters = { passes: 0, computedTokens: 0, cachedTokens: 0, passMs: 0, waitMs: 0, longestWaitMs: 0 };
  readonly #listener: SpanListener | undefined;
  #warned = false;

  constructor(listener?: SpanListener) {
    this.#listener = listener;
  }

  /** Counts a call, whatever becomes of it. */
  async count<T extends { readonly flagged: boolean; readonly usage: Usage }>(call: () => Promise<T>): Promise<T> {
    this.calls.calls++;
    try {
      const result = await call();
      this.calls.verdicts++;
      if (result.flagged) this.calls.flagged++;
      this.work.cachedTokens += result.usage.cachedTokens;
      return result;
    } catch (error) {
      this.calls[outcomeOf(error)]++;
      throw error;
    }
  }

  waited(beginMs: number, endMs: number): void {
    this.work.waitMs += endMs - beginMs;
    this.work.longestWaitMs = Math.max(this.work.longestWaitMs, endMs - beginMs);
    this.span('queue', beginMs, endMs);
  }

  pass({ beginMs, endMs, tokens, sequences }: PassReport): void {
    this.work.passes++;
    this.work.computedTokens += tokens;
    this.work.passMs += endMs - beginMs;
    this.span('pass', beginMs, endMs, { tokens, sequences });
  }

  /** The parts of a judgement that ends now, as spans and as timings. */
  judged(beginMs: number, prefillEndMs: number): Pick<Timings, 'prefillMs' | 'decodeMs'> {
    const endMs = performance.now();
    this.span('prefill', beginMs, prefillEndMs);
    this.span('decode', prefillEndMs, endMs);
    return { prefillMs: prefillEndMs - beginMs, decodeMs: endMs - prefillEndMs };
  }

  span(name: SpanName, beginMs: number, endMs: number, counts: Pick<Span, 'tokens' | 'sequences'> = {}): void {
    if (!this.#listener) return;
    try {
      this.#listener({ name, beginMs, durationMs: endMs - beginMs, ...counts });
    } catch (error) {
      // A verdict must not depend on whoever watches.
      if (this.#warned) return;
      this.#warned = true;
      // What was thrown need not even have a text.
      const thrown = error instanceof Error ? error.message : `a value of type ${typeof error}`;
      process.emitWarning(`The listener onSpan threw: ${thrown}`, 'LlamaGuardWarning');
    }
  }
}

function outcomeOf(error: unknown): 'aborted' | 'overdue' | 'overloaded' | 'failed' {
  if (!LlamaGuardError.isInstance(error)) return 'failed';
  if (error.code === 'ERR_LLAMA_GUARD_ABORTED') return 'aborted';
  if (error.code === 'ERR_LLAMA_GUARD_DEADLINE') return 'overdue';
  return error.code === 'ERR_LLAMA_GUARD_OVERLOADED' ? 'overloaded' : 'failed';
}
