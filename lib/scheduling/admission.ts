// SPDX-License-Identifier: Apache-2.0
// Which calls may hold keys and values at once. A waiting call costs its token ids alone; memory is bounded by what is
// admitted: short calls up to a number of tokens together, and one long call beside them. Both lanes are first come,
// first served, so that a long call neither holds up short ones nor is starved by them.

import { LlamaGuardError } from '../errors/index.js';
import { maxPassTokens } from './passes.js';

/** Tokens that admitted short calls may compute together: several passes' worth, so that the machine stays full. */
export const maxShortTokens = 4096;

export interface AdmissionLimits {
  /** Calls that may wait; one more is refused. */
  readonly maxQueue: number;
}

/** What a call computes. */
export interface Demand {
  /** Tokens that it appends of its own, all its prompts together. */
  readonly tokens: number;
  /** Those of its longest prompt. Default: `tokens`, for a single one. */
  readonly longest?: number;
  /** Part of a batch that bounds itself: never refused for a full queue. */
  readonly bulk?: boolean;
}

/** Gives the place back. Call it once. */
export type Leave = () => void;

interface Waiter {
  readonly tokens: number;
  readonly admit: () => void;
  readonly refuse: (reason: unknown) => void;
}

interface Lane {
  /** Tokens that may be in at once; a call with more comes in alone. */
  readonly capacity: number;
  waiting: Waiter[];
  admitted: number;
  tokens: number;
}

export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #short: Lane = { capacity: maxShortTokens, waiting: [], admitted: 0, tokens: 0 };
  readonly #long: Lane = { capacity: 0, waiting: [], admitted: 0, tokens: 0 };
  #closed: (() => Error) | undefined;
  #onIdle: (() => void) | undefined;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  /** Calls that wait. */
  get waiting(): number {
    return this.#short.waiting.length + this.#long.waiting.length;
  }

  /** Calls that have been admitted and have not left. */
  get admitted(): number {
    return this.#short.admitted + this.#long.admitted;
  }

  /** Throws if closed. */
  assertOpen(): void {
    if (this.#closed) throw this.#closed();
  }

  /**
   * Waits for a place; rejects with the signal's reason when it fires first.
   *
   * @throws {ERR_LLAMA_GUARD_OVERLOADED} the queue is full
   */
  async enter({ tokens, longest = tokens, bulk = false }: Demand, signal?: AbortSignal): Promise<Leave> {
    this.assertOpen();
    signal?.throwIfAborted();
    const lane = longest > maxPassTokens || tokens > maxShortTokens ? this.#long : this.#short;
    if (lane.waiting.length > 0 || !fits(lane, tokens)) {
      if (!bulk) this.#assertRoom();
      await this.#wait(lane, tokens, signal);
    } else {
      occupy(lane, tokens);
    }
    return () => this.#leave(lane, tokens);
  }

  /** Refuses waiting and later calls with `error()`; resolves when all admitted ones have left. Idempotent. */
  async close(error: () => Error): Promise<void> {
    this.#closed ??= error;
    for (const lane of [this.#short, this.#long]) {
      for (const waiter of lane.waiting.splice(0)) waiter.refuse(error());
    }
    if (this.admitted > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }

  #assertRoom(): void {
    if (this.waiting < this.#limits.maxQueue) return;
    throw new LlamaGuardError('ERR_LLAMA_GUARD_OVERLOADED', `Expected at most ${this.#limits.maxQueue} waiting calls`);
  }

  #wait(lane: Lane, tokens: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = <T>(outcome: (value: T) => void) => (value: T): void => {
        signal?.removeEventListener('abort', onAbort);
        outcome(value);
      };
      const waiter: Waiter = { tokens, admit: settle<void>(resolve), refuse: settle(reject) };
      const onAbort = (): void => {
        lane.waiting = lane.waiting.filter((other) => other !== waiter);
        waiter.refuse(signal?.reason);
        admitWaiting(lane);
      };
      signal?.addEventListener('abort', onAbort);
      lane.waiting.push(waiter);
    });
  }

  #leave(lane: Lane, tokens: number): void {
    lane.admitted--;
    lane.tokens -= tokens;
    admitWaiting(lane);
    if (this.admitted === 0) this.#onIdle?.();
  }
}

function fits(lane: Lane, tokens: number): boolean {
  return lane.admitted === 0 || lane.tokens + tokens <= lane.capacity;
}

/** Before the waiter's own turn comes: whoever enters meanwhile must see the place taken. */
function occupy(lane: Lane, tokens: number): void {
  lane.admitted++;
  lane.tokens += tokens;
}

function admitWaiting(lane: Lane): void {
  for (;;) {
    const [first] = lane.waiting;
    if (!first || !fits(lane, first.tokens)) return;
    lane.waiting.shift();
    occupy(lane, first.tokens);
    first.admit();
  }
}
