// SPDX-License-Identifier: Apache-2.0
// How steps become forward passes: what is gathered, who goes first, what an abort stops, and that failures stay apart.

import { expect } from 'chai';

import type { BatchItem, NativeSequence } from '../../lib/native/addon.js';
import { chunkTokens, maxPassTokens, Passes, type PassReport, type StepResult } from '../../lib/scheduling/passes.js';

const labels = 2;

/** A model that holds each pass open until the test lets it go, and answers with the ids of the tokens that want logits. */
class HeldModel {
  readonly labels = labels;
  readonly batches: (readonly BatchItem[])[] = [];
  cancels = 0;
  #settle: { resolve: (logits: Float32Array) => void; reject: (error: Error) => void } | undefined;

  forward(batch: readonly BatchItem[]): Promise<Float32Array> {
    if (this.#settle) throw new Error('a pass is running');
    this.batches.push(batch);
    return new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
  }

  cancel(): void {
    this.cancels++;
  }

  /** Ends the running pass, and waits until the next one has begun or nothing is left. */
  async finish(error?: Error): Promise<void> {
    const settle = this.#settle;
    this.#settle = undefined;
    if (!settle) throw new Error('no pass is running');
    if (error) settle.reject(error);
    else settle.resolve(this.#logits());
    await turn();
  }

  /** Tokens of every item of the last pass. */
  get shares(): number[] {
    return (this.batches.at(-1) ?? []).map((item) => item.tokens.length);
  }

  #logits(): Float32Array {
    const wanted = (this.batches.at(-1) ?? []).flatMap(({ tokens, logits }) => [...tokens.slice(tokens.length - logits)]);
    return Float32Array.from(wanted.flatMap((token) => [token, -token]));
  }
}

async function turn(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

function setup(): { model: HeldModel; passes: Passes; reports: PassReport[] } {
  const model = new HeldModel();
  const reports: PassReport[] = [];
  return { model, reports, passes: new Passes(model, (report) => reports.push(report)) };
}

let sequences = 0;
function step(tokens: number, logits = 1, first = 1): { sequence: NativeSequence; tokens: Uint32Array; logits: number } {
  const sequence = { id: sequences++ } as unknown as NativeSequence;
  return { sequence, tokens: Uint32Array.from({ length: tokens }, (_, i) => first + i), logits };
}

describe('forward passes', () => {
  it('hold all steps that were made together', async () => {
    const { model, passes, reports } = setup();
    const results = Promise.all([passes.run(step(3, 1, 10)), passes.run(step(2, 2, 20)), passes.run(step(1, 0, 30))]);
    await turn();
    expect(model.batches).to.have.lengthOf(1);
    await model.finish();
    const [a, b, c] = await results;
    // By hand: the last token of the first step, both of the second, none of the third.
    expect([...(a?.logits ?? [])]).to.deep.equal([12, -12]);
    expect([...(b?.logits ?? [])]).to.deep.equal([20, -20, 21, -21]);
    expect(c?.logits).to.have.lengthOf(0);
    expect(reports).to.have.lengthOf(1);
    expect(reports[0]).to.include({ sequences: 3, tokens: 6 });
  });

  it('do not wait for company: a step that comes during a pass is in the next one', async () => {
    const { model, passes } = setup();
    const first = passes.run(step(5));
    await turn();
    const second = passes.run(step(7));
    await turn();
    expect(model.shares).to.deep.equal([5]);
    await model.finish();
    await first;
    expect(model.shares).to.deep.equal([7]);
    await model.finish();
    await second;
    await passes.idle();
  });

  it('cut a long step into chunks, and keep the tokens that want logits in the last one', async () => {
    const { model, passes } = setup();
    const result = passes.run(step(maxPassTokens + 1, 3));
    await turn();
    expect(model.shares).to.deep.equal([maxPassTokens - 2]);
    expect(model.batches[0]?.[0]?.logits).to.equal(0);
    await model.finish();
    expect(model.shares).to.deep.equal([3]);
    expect(model.batches[1]?.[0]?.logits).to.equal(3);
    await model.finish();
    const { logits, passes: count } = await result;
    expect([...logits].filter((_, i) => i % 2 === 0)).to.deep.equal([511, 512, 513]);
    expect(count).to.equal(2);
  });

  it('let short steps overtake long ones, and the oldest step move in every pass', async () => {
    const { model, passes } = setup();
    const order: string[] = [];
    const run = (name: string, tokens: number): Promise<unknown> => passes.run(step(tokens)).then(() => order.push(name));
    const all = [run('long', 1000), run('longer', 1200), run('short', 80), run('shorter', 20)];
    await turn();
    // The oldest has its chunk; the rest of the pass goes to those with the fewest tokens left.
    expect(model.shares).to.deep.equal([chunkTokens, 20, 80, maxPassTokens - chunkTokens - 100]);
    await model.finish();
    expect(order).to.have.members(['short', 'shorter']);
    let left = 1000 - chunkTokens;
    while (!order.includes('long')) {
      expect(model.shares[0], 'the oldest goes on').to.equal(Math.min(left, chunkTokens));
      left -= chunkTokens;
      await model.finish();
    }
    while (order.length < 4) await model.finish();
    await Promise.all(all);
  });

  it('never exceed their budget, and feed every token once and in order', async () => {
    const { model, passes } = setup();
    const steps = Array.from({ length: 60 }, (_, i) => step(1 + ((i * 7919) % 700), i % 3));
    const results = steps.map((one) => passes.run(one));
    await turn();
    let settled = 0;
    for (const result of results) void result.then(() => settled++);
    while (settled < steps.length) {
      const total = model.shares.reduce((sum, share) => sum + share, 0);
      expect(total).to.be.within(1, maxPassTokens);
      await model.finish();
    }
    for (const { sequence, tokens } of steps) {
      const fed = model.batches.flatMap((batch) => batch.filter((item) => item.sequence === sequence));
      expect(fed.flatMap((item) => [...item.tokens])).to.deep.equal([...tokens]);
    }
  });

  it('fail for the step at fault alone', async () => {
    const { model, passes } = setup();
    const bad = step(4);
    const runs = [passes.run(step(3)), passes.run(bad), passes.run(step(2))];
    const outcomes = Promise.allSettled(runs);
    await turn();
    await model.finish(new Error('together'));
    for (let i = 0; i < 3; i++) {
      const isBad = model.batches.at(-1)?.[0]?.sequence === bad.sequence;
      expect(model.shares).to.have.lengthOf(1);
      await model.finish(isBad ? new Error('alone') : undefined);
    }
    const [a, b, c] = await outcomes;
    expect([a?.status, c?.status]).to.deep.equal(['fulfilled', 'fulfilled']);
    expect((b as PromiseRejectedResult).reason).to.have.property('message', 'alone');
  });

  describe('and an abort', () => {
    const reason = new Error('stop');

    it('before the step begins leaves no trace', async () => {
      const { model, passes } = setup();
      const controller = new AbortController();
      controller.abort(reason);
      const refused: unknown = await passes.run(step(1), controller.signal).catch((error: unknown) => error);
      expect(refused).to.equal(reason);
      await turn();
      expect(model.batches).to.have.lengthOf(0);
    });

    it('of a waiting step rejects it at once and never computes it', async () => {
      const { model, passes } = setup();
      const running = passes.run(step(1));
      await turn();
      const controller = new AbortController();
      const waiting = passes.run(step(2), controller.signal).catch((error: unknown) => error);
      controller.abort(reason);
      expect(await waiting).to.equal(reason);
      await model.finish();
      await running;
      await passes.idle();
      expect(model.batches).to.have.lengthOf(1);
      expect(model.cancels).to.equal(0);
    });

    it('of every step of a pass cancels it; of one among others does not', async () => {
      const { model, passes } = setup();
      const [one, two] = [new AbortController(), new AbortController()];
      const runs: Promise<StepResult | unknown>[] = [one, two].map(({ signal }) => passes.run(step(5), signal).catch((error: unknown) => error));
      await turn();
      one.abort(reason);
      expect(await runs[0]).to.equal(reason);
      expect(model.cancels).to.equal(0);
      two.abort(reason);
      expect(model.cancels).to.equal(1);
      const next = passes.run(step(3));
      await model.finish(new Error('cancelled'));
      // What was aborted is not tried again.
      expect(model.shares).to.deep.equal([3]);
      await model.finish();
      expect((await next).passes).to.equal(1);
    });

    it('of a long step stops after the chunk that runs', async () => {
      const { model, passes } = setup();
      const controller = new AbortController();
      const long = passes.run(step(3000), controller.signal).catch((error: unknown) => error);
      const short = passes.run(step(10));
      await turn();
      controller.abort(reason);
      expect(await long).to.equal(reason);
      await model.finish();
      await short;
      await passes.idle();
      expect(model.batches).to.have.lengthOf(1);
    });
  });
});
