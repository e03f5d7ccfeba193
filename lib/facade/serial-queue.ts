// SPDX-License-Identifier: Apache-2.0
// Runs jobs one after another, in the order in which they came: the engine takes one forward pass at a time.

interface Job {
  readonly start: () => Promise<void>;
  readonly refuse: (reason: Error) => void;
}

export class SerialQueue {
  readonly #closedError: () => Error;
  #waiting: Job[] = [];
  #draining: Promise<void> | undefined;
  #closed = false;

  /** @param closedError makes the error of jobs that come, or still wait, when the queue is closed */
  constructor(closedError: () => Error) {
    this.#closedError = closedError;
  }

  /** Throws if the queue is closed. */
  assertOpen(): void {
    if (this.#closed) throw this.#closedError();
  }

  /** The outcome of `work`, which runs when all earlier jobs have settled. */
  run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(this.#closedError());
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ start: () => Promise.resolve().then(work).then(resolve, reject), refuse: reject });
      this.#draining ??= this.#drain();
    });
  }

  /** Refuses waiting and later jobs; resolves when the running one has settled. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    const refused = this.#waiting;
    this.#waiting = [];
    for (const job of refused) job.refuse(this.#closedError());
    await this.#draining;
  }

  async #drain(): Promise<void> {
    for (let job = this.#waiting.shift(); job; job = this.#waiting.shift()) await job.start();
    this.#draining = undefined;
  }
}
