// SPDX-License-Identifier: Apache-2.0
// The prepared form: the same ids, in place, at any alignment; and damage, which is either found when it is read or
// leads to wrong ids, but never to a hang, a crash or a control token.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { LlamaGuardError } from '../../lib/errors/index.js';
import { type TensorData, Tokenizer } from '../../lib/tokenizer/index.js';
import { anyText } from './arbitraries.js';

type Tensors = Map<string, { dtype: string; shape: number[]; data: Uint8Array }>;

const source = Tokenizer.fromTokenizerJson(readFileSync(join(process.cwd(), 'test/fixtures/guard-tiny/tokenizer.json'), 'utf8'));
const sample = "I don't know: 12345 <|eot_id|>\n\n  Unsafe ünïcödé ".concat('safe'.repeat(40), '😀'.repeat(30));

/** A copy of the tensors, each at `misalignment` bytes into a buffer of its own. */
function copyTensors(misalignment = 0): Tensors {
  return new Map(source.toTensors().tensors.map(({ name, dtype, shape, data }) => {
    const copy = new Uint8Array(data.length + misalignment).subarray(misalignment);
    copy.set(data);
    return [name, { dtype, shape: [...shape], data: copy }];
  }));
}

function words(tensors: Tensors, name: string): Uint32Array {
  const { data } = tensors.get(name)!;
  return new Uint32Array(data.buffer, data.byteOffset, data.length / 4);
}

/** Gives a tensor other words, and a shape to match. */
function replaceWords(tensors: Tensors, name: string, values: Uint32Array): void {
  tensors.set(name, { dtype: 'U32', shape: name === 'merge_slots' ? [values.length / 4, 4] : [values.length], data: new Uint8Array(values.buffer) });
}

describe('prepared tokenizer', function () {
  this.timeout(300_000);

  it('is what the documentation lists', () => {
    const { metadata, tensors } = source.toTensors();
    expect(metadata).to.deep.equal({ format: 'llama-guard-int4 tokenizer', version: '1' });
    expect(tensors.map(({ name, dtype, shape }) => [name, dtype, shape.length])).to.deep.equal([
      ['settings', 'U32', 1], ['control_ids', 'U32', 1], ['token_offsets', 'U32', 1], ['vocab_slots', 'U32', 1], ['merge_slots', 'U32', 2],
      ['token_bytes', 'U8', 1],
    ]);
    expect(Array.from(words(copyTensors(), 'settings'))).to.deep.equal([1, 1]);
    expect(Array.from(words(copyTensors(), 'control_ids'))).to.deep.equal([4090, 4091, 4092, 4093, 4094, 4095]);
    expect(words(copyTensors(), 'token_offsets').length).to.equal(4097);
    expect(copyTensors().get('merge_slots')!.shape).to.deep.equal([8192, 4]);
  });

  it('places each token and each merge where the documented hashes say', () => {
    const tensors = copyTensors();
    const slots = words(tensors, 'vocab_slots');
    const id = source.tokenId(' unsafe')!;
    let hash = 0x811c9dc5n;
    for (const byte of Buffer.from(' unsafe')) hash = ((hash ^ BigInt(byte)) * 0x01000193n) & 0xffffffffn;
    const home = Number((hash ^ (hash >> 15n)) & BigInt(slots.length - 1));
    expect(Array.from({ length: 8 }, (_, i) => slots[(home + i) % slots.length])).to.include(id + 1);

    const merges = words(tensors, 'merge_slots');
    const [left, right, merged] = ['s', 'a', 'sa'].map((text) => BigInt(source.tokenId(text)!)) as [bigint, bigint, bigint];
    let pair = ((left * 0x9e3779b1n) ^ (right * 0x85ebca6bn)) & 0xffffffffn;
    pair = ((pair ^ (pair >> 15n)) * 0x2c1b3c6dn) & 0xffffffffn;
    const first = Number((pair ^ (pair >> 13n)) & 8191n);
    const found = Array.from({ length: 8 }, (_, i) => Array.from(merges.subarray(((first + i) % 8192) * 4, ((first + i) % 8192) * 4 + 4)));
    expect(found).to.deep.include([Number(left), Number(right), 0, Number(merged)]);
  });

  it('gives the same ids at every alignment', () => {
    for (const misalignment of [0, 1, 2, 3, 4]) {
      const tokenizer = Tokenizer.fromTensors({ tensors: copyTensors(misalignment) });
      expect(Array.from(tokenizer.encode(sample))).to.deep.equal(Array.from(source.encode(sample)));
      expect([...tokenizer.controlTokens]).to.deep.equal([...source.controlTokens]);
      expect(tokenizer.vocabSize).to.equal(4096);
    }
  });

  it('is written again as it was read', () => {
    const again = Tokenizer.fromTensors({ tensors: copyTensors(1) }).toTensors().tensors;
    for (const { name, data } of again) expect(Buffer.compare(data, copyTensors().get(name)!.data), name).to.equal(0);
  });

  const damages: readonly (readonly [what: string, damage: (tensors: Tensors) => void, reason: RegExp])[] = [
    ...['settings', 'control_ids', 'token_offsets', 'vocab_slots', 'merge_slots', 'token_bytes'].flatMap((name) => [
      [`no ${name}`, (tensors: Tensors): void => void tensors.delete(name), new RegExp(`${name} is missing`)] as const,
      [`${name} of another type`, (tensors: Tensors): void => { tensors.get(name)!.dtype = 'F32'; }, new RegExp(`${name} has the wrong type`)] as const,
      [`${name} of another shape`, (tensors: Tensors): void => void tensors.get(name)!.shape.push(1), new RegExp(`${name} has the wrong type or shape`)] as const,
      [`${name} cut off`, (tensors: Tensors): void => { tensors.get(name)!.data = tensors.get(name)!.data.subarray(1); }, new RegExp(`${name} has the wrong`)] as const,
    ]),
    ['another version', (tensors) => words(tensors, 'settings').set([2], 0), /version 2, expected was 1/],
    ['an odd setting', (tensors) => words(tensors, 'settings').set([7], 1), /settings is damaged/],
    ['a first offset that is not 0', (tensors) => words(tensors, 'token_offsets').set([1], 0), /token_offsets is damaged/],
    ['offsets that go back', (tensors) => words(tensors, 'token_offsets').set([2 ** 31], 100), /token_offsets is damaged/],
    ['a last offset beyond the bytes', (tensors) => words(tensors, 'token_offsets').set([2 ** 31], 4096), /token_offsets is damaged/],
    ['no offsets', (tensors) => replaceWords(tensors, 'token_offsets', new Uint32Array(0)), /token_offsets is damaged/],
    ['control ids out of order', (tensors) => words(tensors, 'control_ids').set([4090, 4090]), /control_ids is damaged/],
    ['a control id out of range', (tensors) => words(tensors, 'control_ids').set([4096], 5), /control_ids is damaged/],
    ['a hash table of odd size', (tensors) => replaceWords(tensors, 'vocab_slots', new Uint32Array(8191)), /vocab_slots is damaged/],
    ['an empty hash table', (tensors) => replaceWords(tensors, 'vocab_slots', new Uint32Array(0)), /vocab_slots is damaged/],
    ['a slot beyond the vocabulary', (tensors) => words(tensors, 'vocab_slots').set([4097], 9), /vocab_slots is damaged/],
    ['a slot with a control token', (tensors) => words(tensors, 'vocab_slots').set([4091], 9), /vocab_slots is damaged/],
    ['a merge table of odd size', (tensors) => replaceWords(tensors, 'merge_slots', new Uint32Array(12)), /merge_slots is damaged/],
    ['an empty merge table', (tensors) => replaceWords(tensors, 'merge_slots', new Uint32Array(0)), /merge_slots is damaged/],
    ['a merge beyond the vocabulary', (tensors) => words(tensors, 'merge_slots').set([4096], 403), /merge_slots is damaged/],
    ['a merge into a control token', (tensors) => words(tensors, 'merge_slots').set([4095], 403), /merge_slots is damaged/],
    ['a rank beyond the limit', (tensors) => words(tensors, 'merge_slots').set([2 ** 22], 402), /merge_slots is damaged/],
    ['no token in the hash table', (tensors) => words(tensors, 'vocab_slots').fill(0), /no token for the single byte 0x00/],
  ];
  for (const [what, damage, reason] of damages) {
    it(`is refused with ${what}`, () => {
      const tensors = copyTensors();
      damage(tensors);
      expect(() => Tokenizer.fromTensors({ tensors })).to.throw(reason).with.property('code', 'ERR_LLAMA_GUARD_BAD_TOKENIZER');
    });
  }

  it('survives tables without a free slot', () => {
    const tensors = copyTensors();
    const merges = words(tensors, 'merge_slots');
    for (let at = 0; at < merges.length; at += 4) if (merges[at] === 0xffffffff) merges.set([5, 5, 0, 5], at);
    const vocab = words(tensors, 'vocab_slots');
    vocab.forEach((entry, slot) => { if (entry === 0) vocab[slot] = 1; });
    const tokenizer = Tokenizer.fromTensors({ tensors });
    expect(Array.from(tokenizer.encode(sample))).to.deep.equal(Array.from(source.encode(sample)));
  });

  it('survives random damage: a typed error, or ids in range', () => {
    const change = fc.tuple(fc.constantFrom('token_offsets', 'vocab_slots', 'merge_slots', 'control_ids', 'token_bytes'), fc.nat(1_000_000), fc.nat(255));
    let read = 0;
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 5 }), anyText, (changes, text) => {
        const tensors = copyTensors();
        for (const [name, at, byte] of changes) {
          const { data } = tensors.get(name)!;
          data[at % data.length] = byte;
        }
        let tokenizer: Tokenizer;
        try {
          tokenizer = Tokenizer.fromTensors({ tensors: tensors as ReadonlyMap<string, TensorData> });
        } catch (error) {
          expect(LlamaGuardError.isInstance(error) && error.code).to.equal('ERR_LLAMA_GUARD_BAD_TOKENIZER');
          return;
        }
        read++;
        const controls = new Set(tokenizer.controlTokens.values());
        for (const id of tokenizer.encode(text + sample)) expect(id < 4096 && !controls.has(id)).to.equal(true);
        tokenizer.decode(tokenizer.encode(text));
      }),
      { seed: 77, numRuns: 1_500 },
    );
    expect(read).to.be.greaterThan(100);
  });
});
