// SPDX-License-Identifier: Apache-2.0
// Admission: two lanes, first come first served, bounded; and calls that end by signal, deadline or close.

import { expect } from 'chai';

import { LlamaGuardError } from '../../lib/errors/index.js';
import { Admission, type Leave, maxShortTokens } from '../../lib/scheduling/admission.js';
import { CallControl } from '../../lib/scheduling/call-control.js';
import { maxPassTokens } from '../../lib/scheduling/passes.js';

const long = maxPassTokens + 1;

/** What has happened to a request to enter by now. */
interface Attempt {
  state: 'waiting' | 'in' | 'refused';
  leave: Leave;
  error: unknown;
}

function attempt(
  admission: Admission,
  tokens: number,
  options: { bulk?: boolean; longest?: number; signal?: AbortSignal } = {},
): Attempt {
  const result: Attempt = { state: 'waiting', leave: () => undefined, error: undefined };
  const { signal, ...demand } = options;
  admission.enter({ tokens, ...demand }, signal).then(
    (leave) => Object.assign(result, { state: 'in', leave }),
    (error: unknown) => Object.assign(result, { state: 'refused', error }),
  );
  return result;
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const closedError = (): Error => new LlamaGuardError('ERR_LLAMA_GUARD_DISPOSED', 'closed');

describe('admission', () => {
  it('lets short calls in until their tokens are used up, then in order as others leave', async () => {
    const admission = new Admission({ maxQueue: 10 });
    const calls = Array.from({ length: 10 }, () => attempt(admission, maxPassTokens));
    await settled();
    const fitting = maxShortTokens / maxPassTokens;
    expect(calls.map(({ state }) => state)).to.deep.equal(calls.map((_, i) => (i < fitting ? 'in' : 'waiting')));
    expect(admission.admitted).to.equal(fitting);
    expect(admission.waiting).to.equal(2);
    calls[3]?.leave();
    await settled();
    expect(calls[8]?.state).to.equal('in');
    expect(calls[9]?.state).to.equal('waiting');
  });

  it('does not let a small call pass a larger one that waits in its lane', async () => {
    const admission = new Admission({ maxQueue: 10 });
    for (let i = 0; i < 7; i++) attempt(admission, maxPassTokens);
    const filler = attempt(admission, maxPassTokens - 10);
    const larger = attempt(admission, 100);
    const small = attempt(admission, 5);
    await settled();
    expect([larger.state, small.state]).to.deep.equal(['waiting', 'waiting']);
    filler.leave();
    await settled();
    expect([larger.state, small.state]).to.deep.equal(['in', 'in']);
  });

  it('lets one long call in beside the short ones', async () => {
    const admission = new Admission({ maxQueue: 10 });
    const [first, second] = [attempt(admission, long), attempt(admission, 100 * long)];
    const short = attempt(admission, 10);
    await settled();
    expect([first.state, second.state, short.state]).to.deep.equal(['in', 'waiting', 'in']);
    first.leave();
    await settled();
    expect(second.state).to.equal('in');
  });

  it('takes a call of several prompts as a short one while all of them are, and they have room together', async () => {
    const admission = new Admission({ maxQueue: 10 });
    const [longOnes, manyTokens] = [{ longest: long }, { longest: maxPassTokens }];
    const first = attempt(admission, maxShortTokens + 1, manyTokens);
    const waiting = [attempt(admission, long, longOnes), attempt(admission, maxShortTokens + 1, manyTokens)];
    const short = attempt(admission, maxShortTokens, manyTokens);
    await settled();
    expect([first.state, short.state, ...waiting.map(({ state }) => state)]).to.deep.equal(['in', 'in', 'waiting', 'waiting']);
  });

  it('refuses what comes when the queue is full, but for bulk calls', async () => {
    const admission = new Admission({ maxQueue: 1 });
    attempt(admission, long);
    const waiting = attempt(admission, long);
    const refused = attempt(admission, long);
    const bulk = attempt(admission, long, { bulk: true });
    // Room in the other lane is not a matter of the queue.
    const short = attempt(admission, 1);
    await settled();
    expect([waiting.state, refused.state, bulk.state, short.state]).to.deep.equal(['waiting', 'refused', 'waiting', 'in']);
    expect(refused.error).to.have.property('code', 'ERR_LLAMA_GUARD_OVERLOADED');
    expect(refused.error).to.have.property('category', 'overloaded');
  });

  it('forgets a call whose signal fires while it waits, and lets the next one in', async () => {
    const admission = new Admission({ maxQueue: 10 });
    for (let i = 0; i < 7; i++) attempt(admission, maxPassTokens);
    attempt(admission, maxPassTokens - 10);
    const controller = new AbortController();
    const aborted = attempt(admission, 100, { signal: controller.signal });
    const next = attempt(admission, 10);
    await settled();
    expect(next.state).to.equal('waiting');
    const reason = new Error('stop');
    controller.abort(reason);
    await settled();
    expect([aborted.state, next.state]).to.deep.equal(['refused', 'in']);
    expect(aborted.error).to.equal(reason);
    expect(admission.waiting).to.equal(0);
  });

  it('closes: refuses those that wait and those that come, and resolves when the last one has left', async () => {
    const admission = new Admission({ maxQueue: 10 });
    const running = attempt(admission, long);
    const waiting = attempt(admission, long);
    await settled();
    let closed = false;
    const closing = admission.close(closedError).then(() => (closed = true));
    const late = attempt(admission, 1);
    await settled();
    expect([waiting.state, late.state, closed]).to.deep.equal(['refused', 'refused', false]);
    expect(waiting.error).to.have.property('code', 'ERR_LLAMA_GUARD_DISPOSED');
    running.leave();
    await closing;
    expect(admission.admitted).to.equal(0);
  });
});

describe('the control of a call', () => {
  it('fires with a typed error whose cause is the reason of the signal', () => {
    const controller = new AbortController();
    const control = new CallControl({ signal: controller.signal });
    expect(control.signal.aborted).to.equal(false);
    controller.abort('because');
    expect(control.signal.reason).to.include({ code: 'ERR_LLAMA_GUARD_ABORTED', cause: 'because' });
  });

  it('has fired where the signal has', () => {
    expect(new CallControl({ signal: AbortSignal.abort('early') }).signal.reason).to.have.property('cause', 'early');
  });

  it('fires with a typed error when the time is up', async () => {
    const control = new CallControl({ timeoutMs: 1 });
    await new Promise((resolve) => control.signal.addEventListener('abort', resolve));
    expect(control.signal.reason).to.have.property('code', 'ERR_LLAMA_GUARD_DEADLINE');
  });

  it('does nothing after its end, and keeps no listener', async () => {
    const controller = new AbortController();
    let listeners = 0;
    const signal = controller.signal;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => (listeners++, addEventListener.apply(signal, args));
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => (listeners--, removeEventListener.apply(signal, args));
    const control = new CallControl({ signal, timeoutMs: 1 });
    control.end();
    expect(listeners).to.equal(0);
    controller.abort();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(control.signal.aborted).to.equal(false);
  });
});
