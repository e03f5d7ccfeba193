// SPDX-License-Identifier: Apache-2.0
// Ctrl-C and termination for commands that write: they stop between two steps and clean up after themselves.

import { setMaxListeners } from 'node:events';

const signalNumbers = { SIGINT: 2, SIGTERM: 15 } as const;
type Signal = keyof typeof signalNumbers;

/** Thrown by a command that was asked to stop; carries the exit code that shells expect (128 + signal). */
export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(signal: Signal) {
    super(`stopped by ${signal}`);
    this.exitCode = 128 + signalNumbers[signal];
  }
}

/**
 * Runs `work` with an AbortSignal that fires on the first SIGINT or SIGTERM, with an Interrupted as its reason.
 * A second one ends the process at once.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  // As many as the command has calls in the works.
  setMaxListeners(0, controller.signal);
  const stop = (name: NodeJS.Signals): void => {
    const reason = new Interrupted(name as Signal);
    if (controller.signal.aborted) process.exit(reason.exitCode);
    controller.abort(reason);
  };
  const signals = Object.keys(signalNumbers) as Signal[];
  for (const signal of signals) process.on(signal, stop);
  try {
    return await work(controller.signal);
  } finally {
    for (const signal of signals) process.removeListener(signal, stop);
  }
}
