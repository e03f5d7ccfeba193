// SPDX-License-Identifier: Apache-2.0
// Hashing in pieces gives what hashing at once gives.

import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';

import { expect } from 'chai';

import { hashBytes, hashRange } from '../../lib/formats/hash-pieces.js';
import { RegularFile } from '../../lib/formats/regular-file.js';
import { rejection, Scratch } from '../support/tiny-checkpoint.js';

const piece = 2 ** 19;
const bytes = Uint8Array.from({ length: 2 * piece + 3 }, (_, i) => (i * 31 + (i >> 8)) & 255);

describe('hashing in pieces', () => {
  const scratch = new Scratch();
  let file: RegularFile;
  before(async () => {
    const path = scratch.path();
    writeFileSync(path, bytes);
    file = await RegularFile.open(path);
  });
  after(async () => {
    await file.close();
    scratch.remove();
  });

  const atOnce = (part: Uint8Array): string => createHash('sha256').update(part).digest('hex');

  for (const [begin, end] of [[0, 0], [5, 6], [0, piece], [1, piece + 1], [0, piece + 1], [7, 2 * piece + 2], [0, 2 * piece + 3]] as const) {
    it(`of bytes ${begin} to ${end} gives the hash of them all`, async () => {
      const part = bytes.subarray(begin, end);
      const [ofFile, ofMemory] = [createHash('sha256'), createHash('sha256')];
      await hashRange(ofFile, file, begin, end);
      await hashBytes(ofMemory, part);
      expect([ofFile.digest('hex'), ofMemory.digest('hex')]).to.deep.equal([atOnce(part), atOnce(part)]);
    });
  }

  it('of bytes behind the end of the file is an error', async () => {
    const error = await rejection(hashRange(createHash('sha256'), file, bytes.length - 1, bytes.length + 1));
    expect(error).to.have.property('code', 'ERR_LLAMA_GUARD_TRUNCATED');
  });
});
