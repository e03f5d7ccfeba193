// SPDX-License-Identifier: Apache-2.0
// Work on many items: the order of the outcomes, how far it looks ahead, and how it ends.

import { expect } from 'chai';
import fc from 'fast-check';

import { inOrder, itemsAhead } from '../../lib/scheduling/in-order.js';

type Outcome = PromiseSettledResult<unknown>;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const values = (outcomes: readonly Outcome[]): unknown[] =>
  outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : outcome.reason));

async function all(outcomes: AsyncIterable<Outcome>): Promise<Outcome[]> {
  const list: Outcome[] = [];
  for await (const outcome of outcomes) list.push(outcome);
  return list;
}

async function* later<T>(items: Iterable<T>): AsyncGenerator<T> {
  for (const item of items) {
    await turn();
    yield item;
  }
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Work that a test settles by hand. */
class HeldWork {
  readonly begun: number[] = [];
  readonly #settle = new Map<number, (value: number) => void>();

  readonly work = (item: number): Promise<number> => {
    this.begun.push(item);
    return new Promise((resolve) => this.#settle.set(item, resolve));
  };

  async finish(item: number): Promise<void> {
    this.#settle.get(item)?.(item);
    await turn();
  }
}

describe('work in order', () => {
  for (const [name, sourceOf] of [
    ['a list', (items: readonly number[]) => items],
    ['a source that takes time', later],
  ] as const) {
    it(`gives the outcomes of ${name} in order, whatever order they come in, and failures in their place`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.nat(3), { maxLength: 150 }), async (delays) => {
          const work = async (item: number): Promise<number> => {
            for (let i = 0; i < (delays[item] ?? 0); i++) await turn();
            if (delays[item] === 2) throw new Error(`${item}`);
            return item;
          };
          const outcomes = await all(inOrder(sourceOf(numbers(delays.length)), work));
          expect(outcomes.map(({ status }) => status)).to.deep.equal(delays.map((delay) => (delay === 2 ? 'rejected' : 'fulfilled')));
          expect(values(outcomes).map((value) => Number(value instanceof Error ? value.message : value))).to.deep.equal(numbers(delays.length));
        }),
        { seed: 20250401, numRuns: 30 },
      );
    });
  }

  it('has so many items in the works at once and no more, and takes the next when the oldest is answered', async () => {
    const held = new HeldWork();
    const outcomes = inOrder(numbers(1000), held.work);
    const first = outcomes.next();
    await turn();
    expect(held.begun).to.deep.equal(numbers(itemsAhead));
    // All but the oldest: nobody has been answered, so nothing new begins.
    for (const item of numbers(itemsAhead).slice(1)) await held.finish(item);
    expect(held.begun).to.have.lengthOf(itemsAhead);
    await held.finish(0);
    expect((await first).value).to.deep.equal({ status: 'fulfilled', value: 0 });
    await turn();
    // Nobody has asked for the next outcome yet.
    expect(held.begun).to.have.lengthOf(itemsAhead + 1);
    expect((await outcomes.next()).value).to.deep.equal({ status: 'fulfilled', value: 1 });
  });

  it('takes no item beyond the sizes allowed, but a larger one alone', async () => {
    const held = new HeldWork();
    const sizes = [3, 3, 3, 3, 50, 1];
    const outcomes = inOrder(numbers(sizes.length), held.work, { sizeOf: (item) => sizes[item] ?? 0, maxSize: 7 });
    const answered = all(outcomes);
    await turn();
    expect(held.begun).to.deep.equal([0, 1, 2]);
    await held.finish(0);
    expect(held.begun).to.deep.equal([0, 1, 2, 3]);
    await held.finish(1);
    expect(held.begun).to.deep.equal([0, 1, 2, 3, 4]);
    for (const item of [2, 3]) await held.finish(item);
    expect(held.begun).to.have.lengthOf(5);
    await held.finish(4);
    await held.finish(5);
    expect(values(await answered)).to.deep.equal(numbers(6));
  });

  it('does not wait for a slow source before it gives what is there', async () => {
    async function* stuck(): AsyncGenerator<number> {
      yield 0;
      yield 1;
      await new Promise(() => undefined);
    }
    const outcomes = inOrder(stuck(), (item) => Promise.resolve(item));
    expect((await outcomes.next()).value).to.deep.equal({ status: 'fulfilled', value: 0 });
    expect((await outcomes.next()).value).to.deep.equal({ status: 'fulfilled', value: 1 });
  });

  it('throws the error of the source after all that came before it', async () => {
    async function* broken(): AsyncGenerator<number> {
      yield 0;
      throw new Error('broken');
    }
    const outcomes = inOrder(broken(), async (item) => (await turn(), item));
    expect((await outcomes.next()).value).to.deep.equal({ status: 'fulfilled', value: 0 });
    const error: unknown = await outcomes.next().catch((reason: unknown) => reason);
    expect(error).to.have.property('message', 'broken');
  });

  it('ends when the signal fires, even while the source is waiting, and closes a source that can be', async () => {
    const controller = new AbortController();
    let closed = 0;
    const source: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<never>(() => undefined),
        return: () => (closed++, Promise.resolve({ done: true as const, value: undefined })),
      }),
    };
    const outcome = inOrder(source, (item) => Promise.resolve(item), { signal: controller.signal }).next();
    await turn();
    controller.abort(new Error('stop'));
    const error: unknown = await outcome.catch((reason: unknown) => reason);
    expect(error).to.have.property('message', 'stop');
    expect(closed).to.equal(1);
  });

  it('answers what is in the works when the signal fires, then throws its reason', async () => {
    const controller = new AbortController();
    const held = new HeldWork();
    const outcomes = inOrder(later(numbers(9)), held.work, { signal: controller.signal });
    const first = outcomes.next();
    while (held.begun.length < 2) await turn();
    controller.abort(new Error('stop'));
    await held.finish(0);
    await held.finish(1);
    expect((await first).value).to.deep.equal({ status: 'fulfilled', value: 0 });
    expect((await outcomes.next()).value).to.deep.equal({ status: 'fulfilled', value: 1 });
    expect(await outcomes.next().catch((reason: unknown) => reason)).to.have.property('message', 'stop');
    expect(held.begun).to.have.lengthOf(2);
  });

  it('begins nothing after the loop is left', async () => {
    let give: (result: IteratorResult<number>) => void = () => undefined;
    const source: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({ next: () => new Promise((resolve) => (give = resolve)) }),
    };
    const begun: number[] = [];
    const outcomes = inOrder(source, async (item) => begun.push(item));
    const first = outcomes.next();
    await turn();
    give({ done: false, value: 1 });
    await first;
    await outcomes.return();
    give({ done: false, value: 2 });
    await turn();
    expect(begun).to.deep.equal([1]);
  });

  it('closes the source when the loop is left', async () => {
    let closed = false;
    function* endless(): Generator<number> {
      try {
        for (let i = 0; ; i++) yield i;
      } finally {
        closed = true;
      }
    }
    for await (const outcome of inOrder(endless(), (item) => Promise.resolve(item))) {
      expect(outcome).to.deep.equal({ status: 'fulfilled', value: 0 });
      break;
    }
    expect(closed).to.equal(true);
  });
});
