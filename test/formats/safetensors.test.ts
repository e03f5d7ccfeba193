// SPDX-License-Identifier: Apache-2.0
// The safetensors reader: what a good file gives, and that a bad one, however it is bad, gives a typed error.

import { expect } from 'chai';
import fc from 'fast-check';
import { writeFileSync } from 'node:fs';

import { LlamaGuardError } from '../../lib/errors/index.js';
import { headerPrefixBytes, parseHeader, parseHeaderLength } from '../../lib/formats/safetensors-header.js';
import { openSafetensors } from '../../lib/formats/safetensors.js';
import { type RawTensor, Scratch, encodeSafetensors, rejection, withHeader } from '../support/tiny-checkpoint.js';

const formatCodes = ['ERR_LLAMA_GUARD_TRUNCATED', 'ERR_LLAMA_GUARD_BAD_FORMAT', 'ERR_LLAMA_GUARD_BAD_TENSOR'];

const bytes = (length: number, first = 0): Uint8Array => Uint8Array.from({ length }, (_, i) => first + i);
const good = new Map<string, RawTensor>([
  ['a', { dtype: 'F32', shape: [2, 2], data: bytes(16) }],
  ['__proto__', { dtype: 'U8', shape: [3], data: bytes(3, 100) }],
  ['empty', { dtype: 'F16', shape: [0, 5], data: bytes(0) }],
  ['b', { dtype: 'BF16', shape: [1, 2], data: bytes(4, 200) }],
]);

/** Parses a whole file that is in memory. */
function parse(file: Uint8Array) {
  const length = parseHeaderLength(file.subarray(0, headerPrefixBytes), file.length, 'f');
  return parseHeader(file.subarray(headerPrefixBytes, headerPrefixBytes + length), file.length, 'f');
}

/** The code with which a file is refused, or undefined where it is read. Any other failure is rethrown. */
function refusal(file: Uint8Array): string | undefined {
  try {
    parse(file);
    return undefined;
  } catch (error) {
    if (LlamaGuardError.isInstance(error)) return error.code;
    throw error;
  }
}

const described = (entry: object, dataBytes = 16): Buffer => withHeader(JSON.stringify({ x: entry }), Buffer.alloc(dataBytes));

describe('safetensors reader', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  const stored = (data: Uint8Array): string => {
    const path = scratch.path();
    writeFileSync(path, data);
    return path;
  };

  it('gives every tensor with type, shape, absolute range and bytes', async () => {
    const encoded = encodeSafetensors(good);
    const file = await openSafetensors(stored(encoded));
    const dataBegin = encoded.length - 23;
    expect([...file.tensors.keys()]).to.deep.equal(['a', '__proto__', 'empty', 'b']);
    expect(file.tensor('__proto__')).to.deep.equal({
      name: '__proto__', dtype: 'U8', shape: [3], begin: dataBegin + 16, end: dataBegin + 19,
    });
    for (const [name, { data }] of good) expect(Buffer.from(await file.read(name)).equals(data), name).to.equal(true);
    expect(Array.from(await file.readRange(dataBegin + 14, dataBegin + 18))).to.deep.equal([14, 15, 100, 101]);
    await file.close();
    await file.close();
  });

  it('gives the addon no padding and no tensors of types that it does not know', async () => {
    const file = await openSafetensors(
      stored(
        encodeSafetensors(
          new Map([
            ['w', { dtype: 'U8', shape: [2], data: bytes(2) }],
            ['pad.0', { dtype: 'U8', shape: [2], data: bytes(2) }],
            ['f64', { dtype: 'F64', shape: [1], data: bytes(8) }],
          ]),
        ),
      ),
    );
    expect(file.views().map(({ name }) => name)).to.deep.equal(['w']);
    await file.close();
  });

  it('keeps metadata apart from tensors', () => {
    const header = parse(withHeader('{"__metadata__":{"format":"pt"}}  ', Buffer.alloc(0)));
    expect([...header.metadata]).to.deep.equal([['format', 'pt']]);
    expect(header.tensors.size).to.equal(0);
  });

  it('names a tensor that is missing, and the file', async () => {
    const path = stored(encodeSafetensors(good));
    const file = await openSafetensors(path);
    expect(() => file.tensor('norm')).to.throw(LlamaGuardError, `"norm" is missing in ${path}`).with.property('code', 'ERR_LLAMA_GUARD_BAD_TENSOR');
    await file.close();
  });

  const cases: [string, Uint8Array, string][] = [
    ['an empty file', new Uint8Array(0), 'TRUNCATED'],
    ['a file of another kind', Buffer.from('GGUF\x03\0\0\0\x10\0\0\0\0\0\0\0'), 'BAD_FORMAT'],
    ['a file of zeros', Buffer.alloc(64), 'BAD_FORMAT'],
    ['a header length of 2^64 - 1', Buffer.concat([Buffer.alloc(8, 255), Buffer.alloc(8)]), 'BAD_FORMAT'],
    ['a header longer than the file', Buffer.concat([Buffer.from([40, 0, 0, 0, 0, 0, 0, 0]), Buffer.alloc(30)]), 'TRUNCATED'],
    ['a header that is an array', withHeader('[1, 2]', Buffer.alloc(0)), 'BAD_FORMAT'],
    ['a header that is no JSON', withHeader('{"a": }', Buffer.alloc(0)), 'BAD_FORMAT'],
    ['a header that is no UTF-8', withHeader('{"a\u00ff": 1}', Buffer.alloc(0)).map((b) => (b === 0xc3 ? 0xff : b)), 'BAD_FORMAT'],
    ['metadata that is no object of strings', withHeader('{"__metadata__":{"a":1}}', Buffer.alloc(0)), 'BAD_FORMAT'],
    ['bytes behind the last tensor', described({ dtype: 'U8', shape: [15], data_offsets: [0, 15] }), 'BAD_FORMAT'],
    ['a tensor that is no object', withHeader('{"x":7}', Buffer.alloc(0)), 'BAD_TENSOR'],
    ['an unknown type', described({ dtype: 'I4', shape: [32], data_offsets: [0, 16] }), 'BAD_TENSOR'],
    ['a type named like a method', described({ dtype: 'toString', shape: [16], data_offsets: [0, 16] }), 'BAD_TENSOR'],
    ['a negative size', described({ dtype: 'U8', shape: [-4, -4], data_offsets: [0, 16] }), 'BAD_TENSOR'],
    ['a size with a fraction', described({ dtype: 'U8', shape: [0.5, 32], data_offsets: [0, 16] }), 'BAD_TENSOR'],
    ['a shape that is missing', described({ dtype: 'U8', data_offsets: [0, 16] }), 'BAD_TENSOR'],
    ['offsets that are missing', described({ dtype: 'U8', shape: [16] }), 'BAD_TENSOR'],
    ['three offsets', described({ dtype: 'U8', shape: [16], data_offsets: [0, 16, 16] }), 'BAD_TENSOR'],
    ['offsets in the wrong order', described({ dtype: 'U8', shape: [16], data_offsets: [16, 0] }), 'BAD_TENSOR'],
    ['a shape that overflows', described({ dtype: 'F32', shape: [2 ** 31, 2 ** 31], data_offsets: [0, 16] }), 'BAD_TENSOR'],
    ['a shape that overflows to the right size', described({ dtype: 'U8', shape: [2 ** 32, 2 ** 32, 16], data_offsets: [0, 16] }), 'BAD_TENSOR'],
    ['a range that is not the size of the shape', described({ dtype: 'F32', shape: [5], data_offsets: [0, 16] }), 'BAD_TENSOR'],
    ['a tensor that begins beyond the file', described({ dtype: 'U8', shape: [16], data_offsets: [1000, 1016] }), 'BAD_TENSOR'],
    ['a tensor that ends beyond the file', described({ dtype: 'U8', shape: [17], data_offsets: [0, 17] }), 'TRUNCATED'],
    ['a tensor that ends beyond any file', described({ dtype: 'U8', shape: [2 ** 53 - 1], data_offsets: [0, 2 ** 53 - 1] }), 'BAD_TENSOR'],
    ['two tensors on the same bytes', twoTensors([0, 8], [4, 12], 12), 'BAD_TENSOR'],
    ['a hole between tensors', twoTensors([0, 8], [9, 17], 17), 'BAD_TENSOR'],
  ];
  for (const [what, file, code] of cases) {
    it(`refuses ${what}`, () => expect(refusal(file)).to.equal(`ERR_LLAMA_GUARD_${code}`));
  }

  it('lets the last of two tensors of one name win, which leaves a hole', () => {
    const file = withHeader(
      '{"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"x":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}',
      Buffer.alloc(4),
    );
    expect(refusal(file)).to.equal('ERR_LLAMA_GUARD_BAD_TENSOR');
  });

  it('refuses a file that was cut at any byte', () => {
    const file = encodeSafetensors(good);
    for (let length = 0; length < file.length; length++) {
      expect(refusal(file.subarray(0, length)), `${length} bytes`).to.be.oneOf(['ERR_LLAMA_GUARD_TRUNCATED', 'ERR_LLAMA_GUARD_BAD_FORMAT']);
    }
  });

  it('survives every flipped bit of length and header', () => {
    const file = encodeSafetensors(good);
    const headerEnd = file.length - 23;
    for (let bit = 0; bit < 8 * headerEnd; bit++) {
      const damaged = Buffer.from(file);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(refusal(damaged), `bit ${bit}`).to.be.oneOf([undefined, ...formatCodes]);
    }
  });

  it('survives any JSON for a header', () => {
    const size = fc.oneof(fc.integer({ min: -1, max: 20 }), fc.maxSafeInteger(), fc.double());
    const tensor = fc.record(
      { dtype: fc.constantFrom('U8', 'F32', 'X', 3), shape: fc.array(size, { maxLength: 3 }), data_offsets: fc.array(size, { maxLength: 3 }) },
      { requiredKeys: [] },
    );
    const header = fc.dictionary(fc.string(), fc.oneof(tensor, fc.jsonValue()));
    fc.assert(
      fc.property(header, fc.nat(64), (value, dataBytes) => {
        expect(refusal(withHeader(JSON.stringify(value), Buffer.alloc(dataBytes)))).to.be.oneOf([undefined, ...formatCodes]);
      }),
      { seed: 20, numRuns: 2000 },
    );
  });

  it('refuses what is not there and what is no regular file', async () => {
    expect(await rejection(openSafetensors(scratch.path()))).to.have.property('code', 'ERR_LLAMA_GUARD_MODEL_NOT_FOUND');
    expect(await rejection(openSafetensors(scratch.root))).to.have.property('code', 'ERR_LLAMA_GUARD_UNREADABLE');
    expect(await rejection(openSafetensors('/dev/null'))).to.have.property('code', 'ERR_LLAMA_GUARD_UNREADABLE');
  });

  it('notices that a file became shorter while it was open', async () => {
    const path = stored(encodeSafetensors(good));
    const file = await openSafetensors(path);
    writeFileSync(path, '');
    expect(await rejection(file.read('a'))).to.have.property('code', 'ERR_LLAMA_GUARD_TRUNCATED');
    await file.close();
  });
});

function twoTensors(a: [number, number], b: [number, number], dataBytes: number): Buffer {
  const entry = ([begin, end]: [number, number]) => ({ dtype: 'U8', shape: [end - begin], data_offsets: [begin, end] });
  return withHeader(JSON.stringify({ a: entry(a), b: entry(b) }), Buffer.alloc(dataBytes));
}
