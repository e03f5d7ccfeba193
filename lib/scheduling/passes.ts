// SPDX-License-Identifier: Apache-2.0
// Gathers the steps of all running calls into forward passes: ragged batches up to a budget of tokens. A pass begins as
// soon as the one before it has ended and never waits for company. docs/engine.md explains the order.

import { fromNative } from '../errors/index.js';
import type { BatchItem, NativeModel, NativeSequence } from '../native/addon.js';

/** Tokens of one forward pass; bounds the activations that the engine holds, and how long a new call waits. */
export const maxPassTokens = 512;
/** Tokens that the oldest step may take of a pass when others wait, so that a long prompt leaves room for short ones. */
export const chunkTokens = 256;

/** Tokens to append to a sequence. */
export interface Step {
  /** Used by one step at a time. */
  readonly sequence: NativeSequence;
  /** At least one. */
  readonly tokens: Uint32Array;
  /** How many of the last tokens want label logits, 0..tokens.length. */
  readonly logits: number;
}

export interface StepResult {
  /** [step.logits][labels] */
  readonly logits: Float32Array;
  /** Passes that had a part of the step. */
  readonly passes: number;
}

/** What the passes need of a model. */
export type PassModel = Pick<NativeModel, 'forward' | 'cancel' | 'labels'>;

/** One forward pass that has ended, well or not. */
export interface PassReport {
  readonly beginMs: number;
  readonly endMs: number;
  readonly sequences: number;
  readonly tokens: number;
}

interface Job {
  readonly step: Step;
  /** Tokens that earlier passes have appended. */
  fed: number;
  passes: number;
  settled: boolean;
  readonly resolve: (result: StepResult) => void;
  readonly reject: (error: unknown) => void;
}

/** What one job gets of a pass. */
interface Share {
  readonly job: Job;
  readonly tokens: number;
}

export class Passes {
  readonly #model: PassModel;
  readonly #onPass: (report: PassReport) => void;
  /** In order of arrival. A job stays here until all its tokens are fed. */
  #waiting: Job[] = [];
  #running: readonly Share[] = [];
  #idle: Promise<void> | undefined;

  constructor(model: PassModel, onPass: (report: PassReport) => void) {
    this.#model = model;
    this.#onPass = onPass;
  }

  /**
   * Appends a step's tokens, in as many passes as it takes.
   *
   * When `signal` fires, the promise rejects with its reason at once. A pass that runs for aborted steps alone is
   * cancelled and ends with the layer that it is in; one that other steps share goes on to its end. Until then the
   * sequence is in use: it may be disposed, and nothing else.
   */
  run(step: Step, signal?: AbortSignal): Promise<StepResult> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const onAbort = (): void => this.#abandon(job, signal?.reason);
      const settle = <T>(outcome: (value: T) => void) => (value: T): void => {
        if (job.settled) return;
        job.settled = true;
        signal?.removeEventListener('abort', onAbort);
        outcome(value);
      };
      const job: Job = { step, fed: 0, passes: 0, settled: false, resolve: settle(resolve), reject: settle(reject) };
      signal?.addEventListener('abort', onAbort);
      this.#waiting.push(job);
      this.#idle ??= this.#work();
    });
  }

  /** Resolves when nothing runs and nothing waits. */
  async idle(): Promise<void> {
    await this.#idle;
  }

  #abandon(job: Job, reason: unknown): void {
    job.reject(reason);
    this.#waiting = this.#waiting.filter((other) => other !== job);
    const running = this.#running;
    if (running.length > 0 && running.every((share) => share.job.settled)) this.#model.cancel();
  }

  async #work(): Promise<void> {
    for (;;) {
      // A turn of the event loop: calls that were made together, and steps that follow from the last pass, get in.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#waiting.length === 0) break;
      await this.#pass(compose(this.#waiting));
    }
    this.#idle = undefined;
  }

  async #pass(shares: readonly Share[]): Promise<void> {
    try {
      deliver(shares, await this.#forward(shares), this.#model.labels);
    } catch (error) {
      // One sequence's failure must not be another's: each gets a pass of its own, which tells whose it was.
      if (shares.length === 1) shares[0]?.job.reject(error);
      else for (const share of shares) if (!share.job.settled) await this.#pass([share]);
    }
    this.#waiting = this.#waiting.filter((job) => !job.settled);
  }

  async #forward(shares: readonly Share[]): Promise<Float32Array> {
    this.#running = shares;
    const beginMs = performance.now();
    try {
      return await this.#model.forward(shares.map(itemOf));
    } catch (error) {
      throw fromNative(error);
    } finally {
      this.#running = [];
      const tokens = shares.reduce((sum, share) => sum + share.tokens, 0);
      this.#onPass({ beginMs, endMs: performance.now(), sequences: shares.length, tokens });
    }
  }
}

/**
 * The next pass: the oldest job always moves, so that none starves; what it leaves goes to those with the fewest tokens
 * left, so that a short one is never held up behind long ones.
 */
function compose(waiting: readonly Job[]): readonly Share[] {
  const [oldest, ...others] = waiting;
  const shares: Share[] = [];
  let room = maxPassTokens;
  const take = (job: Job, most: number): void => {
    const tokens = portion(job, most);
    if (tokens > 0) shares.push({ job, tokens });
    room -= tokens;
  };
  if (oldest) take(oldest, others.length > 0 ? chunkTokens : maxPassTokens);
  for (const job of others.sort((a, b) => left(a) - left(b))) {
    if (room === 0) break;
    take(job, room);
  }
  return shares;
}

function left(job: Job): number {
  return job.step.tokens.length - job.fed;
}

/** At most `most` tokens; those that want logits stay together, in the last portion. */
function portion(job: Job, most: number): number {
  if (left(job) <= most) return left(job);
  return Math.max(0, Math.min(most, left(job) - job.step.logits));
}

function itemOf({ job: { step, fed }, tokens }: Share): BatchItem {
  const last = fed + tokens === step.tokens.length;
  return { sequence: step.sequence, tokens: step.tokens.subarray(fed, fed + tokens), logits: last ? step.logits : 0 };
}

function deliver(shares: readonly Share[], logits: Float32Array, labels: number): void {
  let offset = 0;
  for (const { job, tokens } of shares) {
    job.fed += tokens;
    job.passes++;
    if (left(job) > 0) continue;
    const end = offset + job.step.logits * labels;
    job.resolve({ logits: logits.slice(offset, end), passes: job.passes });
    offset = end;
  }
}
