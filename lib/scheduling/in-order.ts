// SPDX-License-Identifier: Apache-2.0
// Work on a sequence of items, several at a time, with the outcomes in the order of the items: what batches and bulk
// files share. Memory is bounded by how far it looks ahead, not by how many items there are.

/** Items in the works at once: several passes' worth of short prompts, so that the machine need not wait for the next. */
export const itemsAhead = 64;

export interface LookAhead<T> {
  /** When it fires, no further item is taken: what is in the works is answered, then its reason is thrown. */
  readonly signal?: AbortSignal;
  /** What an item holds of memory, in any unit. Default: nothing. */
  readonly sizeOf?: (item: T) => number;
  /** From this sum of sizes on, no further item is taken. Default: no bound. */
  readonly maxSize?: number;
}

/** The end of a source, and the error that it failed with. */
interface End {
  readonly end: true;
  readonly failure?: { readonly error: unknown };
}

/**
 * The outcome of `work` for every item, in their order; at most `itemsAhead` items are in the works at a time.
 *
 * When the source fails, its error is thrown once everything before it has been answered. Leaving the loop early closes
 * the source; work that has begun is the caller's to stop.
 */
export async function* inOrder<T, R>(
  source: Iterable<T> | AsyncIterable<T>,
  work: (item: T) => Promise<R>,
  { signal, sizeOf = () => 0, maxSize = Infinity }: LookAhead<T> = {},
): AsyncGenerator<PromiseSettledResult<R>, void, undefined> {
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  const works: { readonly settled: Promise<PromiseSettledResult<R>>; readonly size: number }[] = [];
  let size = 0;
  let end: End | undefined;
  let taking: Promise<unknown> | undefined;
  let left = false;
  /** Takes items until there is no room; goes on by itself while the outcomes are waited for or being used. */
  const fill = async (): Promise<void> => {
    while (!taking && !end && works.length < itemsAhead && size < maxSize) {
      const next = take(iterator, signal);
      taking = next;
      const taken = await next;
      taking = undefined;
      if (left) return;
      if ('end' in taken) {
        end = taken;
      } else {
        const itemSize = sizeOf(taken.item);
        size += itemSize;
        works.push({ settled: settled(work(taken.item)), size: itemSize });
      }
    }
  };
  try {
    for (;;) {
      void fill();
      const [oldest] = works;
      if (oldest) {
        const outcome = await oldest.settled;
        works.shift();
        size -= oldest.size;
        void fill();
        yield outcome;
      } else if (taking) {
        await taking;
      } else {
        break;
      }
    }
  } finally {
    left = true;
    if (!end || signal?.aborted === true) close(iterator);
  }
  if (end?.failure) throw end.failure.error;
}

async function settled<R>(work: Promise<R>): Promise<PromiseSettledResult<R>> {
  const [outcome] = await Promise.allSettled([work]);
  return outcome;
}

/** The next item of a source, or its end. Never rejects. */
async function take<T>(iterator: Iterator<T> | AsyncIterator<T>, signal?: AbortSignal): Promise<{ item: T } | End> {
  try {
    signal?.throwIfAborted();
    const { done, value } = await untilAborted(iterator.next(), signal);
    return done === true ? { end: true } : { item: value };
  } catch (error) {
    return { end: true, failure: { error } };
  }
}

/** What `promise` settles with, or the signal's reason when it fires first. */
function untilAborted<T>(promise: T | Promise<T>, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal?.reason);
    signal?.addEventListener('abort', onAbort);
    void Promise.resolve(promise).then(resolve, reject).finally(() => signal?.removeEventListener('abort', onAbort));
  });
}

/** Nobody waits for it: a source that is asked for an item that does not come, such as a pipe, would not answer. */
function close(iterator: Iterator<unknown> | AsyncIterator<unknown>): void {
  void (async () => iterator.return?.())().catch(() => undefined);
}
