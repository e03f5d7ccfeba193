// SPDX-License-Identifier: Apache-2.0
// Why a call may end early: its caller's AbortSignal, or its deadline. One signal of its own says both.

import { setMaxListeners } from 'node:events';

import { LlamaGuardError } from '../errors/index.js';

/** How long a call may take and who may stop it. */
export interface CallLimits {
  readonly signal?: AbortSignal;
  /** Milliseconds from now, queueing included. */
  readonly timeoutMs?: number;
}

/** Lives as long as its call: `end()` removes the listener and the timer. */
export class CallControl {
  readonly #controller = new AbortController();
  readonly #given: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #onAbort = (): void => this.#controller.abort(abortError(this.#given));

  constructor({ signal, timeoutMs }: CallLimits) {
    this.#given = signal;
    // As many as the call has prompts, or a batch has calls.
    setMaxListeners(0, this.signal);
    if (signal?.aborted) this.#onAbort();
    signal?.addEventListener('abort', this.#onAbort);
    if (timeoutMs !== undefined) {
      this.#timer = setTimeout(() => this.#controller.abort(deadlineError(timeoutMs)), timeoutMs);
    }
  }

  /** Fires with a LlamaGuardError as its reason. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Fires now, unless it has already. */
  stop(): void {
    this.#onAbort();
  }

  /** Idempotent. */
  end(): void {
    clearTimeout(this.#timer);
    this.#given?.removeEventListener('abort', this.#onAbort);
  }
}

function abortError(signal: AbortSignal | undefined): LlamaGuardError {
  const reason: unknown = signal?.reason;
  // The signal is that of another control, of a batch or a stream, which has said so already.
  if (LlamaGuardError.isInstance(reason) && reason.code === 'ERR_LLAMA_GUARD_ABORTED') return reason;
  return new LlamaGuardError('ERR_LLAMA_GUARD_ABORTED', 'The call was aborted', { cause: reason });
}

function deadlineError(timeoutMs: number): LlamaGuardError {
  return new LlamaGuardError('ERR_LLAMA_GUARD_DEADLINE', `The call was not answered within ${timeoutMs} ms`);
}
