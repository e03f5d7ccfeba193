// SPDX-License-Identifier: Apache-2.0
// Parts that stand or fall together.

import { expect } from 'chai';

import { together } from '../../lib/scheduling/together.js';

const never = new AbortController().signal;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const caught = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);

/** Ends when its signal fires, after some turns of the event loop. */
function untilStopped(signal: AbortSignal, ended: () => void): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      void turn().then(turn).then(() => {
        ended();
        reject(signal.reason);
      });
    });
  });
}

describe('parts of one call', () => {
  it('give their results in order', async () => {
    const results = await together(
      [3, 1, 2],
      async (turns, index) => {
        for (let i = 0; i < turns; i++) await turn();
        return `${index}: ${turns}`;
      },
      never,
    );
    expect(results).to.deep.equal(['0: 3', '1: 1', '2: 2']);
    expect(await together([], () => Promise.resolve(1), never)).to.deep.equal([]);
  });

  it('are stopped when one fails; its error comes when all have ended', async () => {
    let ended = 0;
    const failure = new Error('third');
    const part = async (item: number, _: number, signal: AbortSignal): Promise<number> => {
      if (item < 3) return untilStopped(signal, () => ended++);
      await turn();
      throw failure;
    };
    expect(await caught(together([1, 2, 3], part, never))).to.equal(failure);
    expect(ended).to.equal(2);
  });

  it('end with the reason of the signal, before and after they have begun', async () => {
    let ended = 0;
    const controller = new AbortController();
    const run = together([1, 2], (_, __, signal) => untilStopped(signal, () => ended++), controller.signal);
    await turn();
    controller.abort('stop');
    expect(await caught(run)).to.equal('stop');
    expect(ended).to.equal(2);
    const late = together([1], (_, __, signal) => Promise.reject(signal.reason as Error), controller.signal);
    expect(await caught(late)).to.equal('stop');
  });

  it('leave no listener on the signal', async () => {
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => (listeners++, addEventListener.apply(signal, args));
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => (listeners--, removeEventListener.apply(signal, args));
    await together([1, 2], () => Promise.resolve(1), signal);
    expect(listeners).to.equal(0);
  });
});
