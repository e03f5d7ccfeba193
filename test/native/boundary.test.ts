// SPDX-License-Identifier: Apache-2.0
// The addon called without the package around it, by a script that means harm: getters that run in the middle of a call
// may start a pass, shrink an array or throw. Each call is refused, and the process and the sequence live on.

import { expect } from 'chai';

import { openContainer } from '../../lib/loading/container.js';
import type { BatchItem, ModelSpec, NativeModel, NativeSequence } from '../../lib/native/addon.js';
import { loadAddon } from '../../lib/native/load-addon.js';
import { demoModel } from '../reference/heldout.js';
import { codeOf } from '../support/error-code.js';

function tokens(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => i);
}

function throwingArray<T>(): T[] {
  return Object.defineProperty([], 0, {
    get() {
      throw new Error('no');
    },
  }) as T[];
}

describe('the boundary of the addon', function () {
  this.timeout(600_000);
  const engine = { threads: 2, isa: '' };
  let spec: ModelSpec;
  let model: NativeModel;
  let sequence: NativeSequence;

  before(async () => {
    ({ spec } = await openContainer(demoModel));
    model = await loadAddon().loadModel(spec, engine);
  });
  beforeEach(() => {
    sequence = model.createSequence();
  });
  afterEach(() => {
    sequence.dispose();
  });
  after(() => {
    model.dispose();
  });

  it('refuses a pass during whose arguments another one began', async () => {
    let inner: Promise<Float32Array> | undefined;
    const item = {
      sequence,
      get tokens() {
        inner ??= model.forward([{ sequence, tokens: tokens(300), logits: 300 }]);
        return tokens(500);
      },
      logits: 1,
    };
    expect(await codeOf(() => model.forward([item]))).to.equal('ERR_LLAMA_GUARD_BUSY');
    expect(await inner).to.have.length(300 * model.labels);
    expect(sequence.length).to.equal(300);
  });

  it('refuses a sequence that is disposed while the batch is read', async () => {
    const other = model.createSequence();
    const batch: BatchItem[] = [
      { sequence: other, tokens: tokens(3), logits: 1 },
      {
        get sequence() {
          other.dispose();
          return sequence;
        },
        tokens: tokens(3),
        logits: 1,
      },
    ];
    expect(await codeOf(() => model.forward(batch))).to.equal('ERR_LLAMA_GUARD_DISPOSED');
  });

  it('reads no tokens of a buffer that is taken away while the batch is read', async () => {
    const taken = tokens(1500);
    const item = {
      sequence,
      tokens: taken,
      get logits() {
        structuredClone(taken.buffer, { transfer: [taken.buffer as ArrayBuffer] });
        return 1;
      },
    };
    expect(await codeOf(() => model.forward([item]))).to.equal('ERR_LLAMA_GUARD_INVALID_ARGUMENT');
    expect(sequence.length).to.equal(0);
  });

  it('turns what a getter throws into an error of its own', async () => {
    const expected = 'ERR_LLAMA_GUARD_INVALID_ARGUMENT';
    expect(await codeOf(() => model.forward(throwingArray()))).to.equal(expected);
    expect(await codeOf(() => loadAddon().loadModel({ ...spec, tensors: throwingArray() }, engine))).to.equal(expected);
    const [first, ...rest] = spec.tensors;
    const tensors = [{ ...first!, shape: throwingArray<number>() }, ...rest];
    expect(await codeOf(() => loadAddon().loadModel({ ...spec, tensors }, engine))).to.equal(expected);
  });

  it('does not tell the length of a sequence that a pass is changing', async () => {
    const pass = model.forward([{ sequence, tokens: tokens(200), logits: 1 }]);
    expect(await codeOf(() => sequence.length)).to.equal('ERR_LLAMA_GUARD_BUSY');
    expect(await codeOf(() => sequence.kvBytes)).to.equal('ERR_LLAMA_GUARD_BUSY');
    await pass;
    expect(sequence.length).to.equal(200);
    expect(sequence.kvBytes).to.be.at.least(200 * model.kvBytesPerToken);
  });
});
