// SPDX-License-Identifier: Apache-2.0
// Parts of one piece of work that stand or fall together: when one fails, the others are stopped.

import { setMaxListeners } from 'node:events';

/**
 * What `part` gives for every item, in their order, all at once.
 *
 * @param part gets a signal that fires when another part has failed or `signal` fires
 * @throws what failed first, or the signal's reason, when all parts have ended
 */
export async function together<T, R>(
  items: readonly T[],
  part: (item: T, index: number, signal: AbortSignal) => Promise<R>,
  signal: AbortSignal,
): Promise<R[]> {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  const onAbort = (): void => controller.abort(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort);
  const attempt = async (item: T, index: number): Promise<R> => {
    try {
      return await part(item, index, controller.signal);
    } catch (error) {
      controller.abort(error);
      throw error;
    }
  };
  const parts = items.map(attempt);
  try {
    await Promise.allSettled(parts);
    controller.signal.throwIfAborted();
    return await Promise.all(parts);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
