// SPDX-License-Identifier: Apache-2.0
// Keys and values as bytes: where each lies, and that only the tokens decide what they are.

import { expect } from 'chai';

import type { NativeModel, NativeSequence } from '../../lib/native/addon.js';
import { codeOf } from '../support/error-code.js';
import { append, loadDemo, tokens } from './demo-engine.js';
import { supportedIsas } from './native-reader.js';

/** Of the demo model. */
const [layers, kvHeads, headDim, slots] = [12, 1, 64, 64];

/** Whether the f16 numbers of each slot of one segment are all zero. */
function emptySlots(segment: Uint16Array): boolean[] {
  return Array.from({ length: slots }, (_, slot) => {
    for (let head = 0; head < layers * kvHeads; head++) {
      const keys = head * 2 * headDim * slots; // [headDim][slots]
      const values = keys + headDim * slots; // [slots][headDim]
      for (let d = 0; d < headDim; d++) {
        if (segment[keys + d * slots + slot] !== 0 || segment[values + slot * headDim + d] !== 0) return false;
      }
    }
    return true;
  });
}

describe('keys and values written out', function () {
  this.timeout(60_000);
  let model: NativeModel;
  let sequence: NativeSequence;

  before(async () => {
    model = await loadDemo();
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

  it('are whole segments', async () => {
    expect(model.kvSegmentTokens).to.equal(slots);
    expect(model.kvBytesPerToken).to.equal(layers * kvHeads * headDim * 2 * 2);
    expect(sequence.exportKv()).to.have.length(0);
    for (const [count, segments] of [[1, 1], [63, 1], [1, 2]] as const) {
      expect(sequence.exportKv()).to.have.length(Math.ceil(sequence.length / slots) * slots * model.kvBytesPerToken);
      await append(model, sequence, tokens(count, 1));
      expect(sequence.exportKv()).to.have.length(segments * slots * model.kvBytesPerToken);
    }
  });

  it('are zero in the slots that hold no token, and only there', async () => {
    await append(model, sequence, tokens(128, 1));
    sequence.truncate(71);
    const bytes = sequence.exportKv();
    const elements = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
    expect(emptySlots(elements.subarray(0, elements.length / 2))).to.deep.equal(Array(slots).fill(false));
    const last = emptySlots(elements.subarray(elements.length / 2));
    expect(last).to.deep.equal([...Array(7).fill(false), ...Array(slots - 7).fill(true)]);
  });

  it('are the same after a longer past, for a fork, and however the tokens came', async () => {
    await append(model, sequence, tokens(100, 1));
    const wanted = sequence.exportKv();
    const other = model.createSequence();
    for (let at = 0; at < 100; at += 33) await append(model, other, tokens(100, 1).subarray(at, Math.min(at + 33, 100)));
    expect(other.exportKv()).to.deep.equal(wanted);
    await append(model, other, tokens(90, 2));
    expect(other.exportKv()).not.to.deep.equal(wanted);
    expect(other.fork(100).exportKv()).to.deep.equal(wanted);
    other.truncate(100);
    expect(other.exportKv()).to.deep.equal(wanted);
  });

  for (const isa of supportedIsas().slice(1)) {
    it(`are the bytes of scalar on ${isa}`, async () => {
      const exported: Uint8Array[] = [];
      for (const options of [{ threads: 1, isa: 'scalar' }, { threads: 2, isa }]) {
        const other = await loadDemo(options);
        const its = other.createSequence();
        await append(other, its, tokens(136, 7));
        exported.push(its.exportKv());
        other.dispose();
      }
      expect(exported[1]).to.deep.equal(exported[0]);
    });
  }

  it('are not told of a sequence that a pass is changing or that is disposed', async () => {
    const pass = append(model, sequence, tokens(200, 1));
    expect(await codeOf(() => sequence.exportKv())).to.equal('ERR_LLAMA_GUARD_BUSY');
    await pass;
    sequence.dispose();
    expect(await codeOf(() => sequence.exportKv())).to.equal('ERR_LLAMA_GUARD_DISPOSED');
  });
});
