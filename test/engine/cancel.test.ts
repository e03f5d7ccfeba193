// SPDX-License-Identifier: Apache-2.0
// A pass that is cancelled: it rejects, and the sequences that it used are as if it had never begun.

import { pbkdf2 } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { expect } from 'chai';

import type { NativeModel } from '../../lib/native/addon.js';
import { codeOf } from '../support/error-code.js';
import { append, appendToFork, loadDemo, tokens } from './demo-engine.js';

const aborted = 'ERR_LLAMA_GUARD_ABORTED';
/** Threads of Node's pool, on which passes run. */
const poolThreads = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4);

describe('cancelling a pass', function () {
  this.timeout(60_000);
  let model: NativeModel;

  // The scalar kernels: a long pass is far from its end when it is cancelled.
  beforeEach(async () => {
    model = await loadDemo({ threads: 1, isa: 'scalar' });
  });
  afterEach(() => {
    model.dispose();
  });

  it('in its middle leaves all its sequences as they were', async () => {
    const own = model.createSequence();
    const shared = model.createSequence();
    await append(model, own, tokens(70, 1));
    await append(model, shared, tokens(64, 2));
    const sharer = shared.fork(64);
    sharer.truncate(40); // the next token falls into a segment that two sequences hold
    const kvBytes = own.kvBytes;
    const wanted = [await appendToFork(model, own, tokens(9, 3)), await appendToFork(model, sharer, tokens(9, 4))];

    const pass = model.forward([
      { sequence: own, tokens: tokens(300, 5), logits: 300 },
      { sequence: sharer, tokens: tokens(300, 6), logits: 1 },
    ]);
    await sleep(20);
    model.cancel();
    expect(await codeOf(() => pass)).to.equal(aborted);

    expect([own.length, sharer.length, shared.length]).to.deep.equal([70, 40, 64]);
    expect(own.kvBytes).to.equal(kvBytes);
    expect([await append(model, own, tokens(9, 3)), await append(model, sharer, tokens(9, 4))]).to.deep.equal(wanted);
  });

  it('that waits for a thread of the pool takes effect', async () => {
    const sequence = model.createSequence();
    const company = Array.from({ length: poolThreads }, () => promisify(pbkdf2)('a', 'b', 100_000, 32, 'sha512'));
    const pass = append(model, sequence, tokens(5, 1));
    model.cancel();
    expect(await codeOf(() => pass)).to.equal(aborted);
    expect([sequence.length, sequence.kvBytes]).to.deep.equal([0, 0]);
    await Promise.all(company);
  });

  it('does nothing to the next pass where none runs', async () => {
    const sequence = model.createSequence();
    const wanted = await append(model, model.createSequence(), tokens(5, 1));
    model.cancel();
    expect(await append(model, sequence, tokens(5, 1))).to.deep.equal(wanted);
  });

  it('leaves the pass of another model alone', async () => {
    const other = await loadDemo();
    const pass = append(other, other.createSequence(), tokens(500, 1));
    model.cancel();
    expect(await pass).to.have.length(other.labels);
    other.dispose();
  });

  it('frees the memory of a sequence that was disposed meanwhile', async () => {
    const sequence = model.createSequence();
    const pass = append(model, sequence, tokens(300, 1));
    sequence.dispose();
    model.cancel();
    expect(await codeOf(() => pass)).to.equal(aborted);
    expect([sequence.length, sequence.kvBytes]).to.deep.equal([0, 0]);
  });

  it('does nothing after dispose()', () => {
    model.dispose();
    model.cancel();
  });
});
