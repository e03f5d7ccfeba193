// SPDX-License-Identifier: Apache-2.0
// Lines are the same however a stream is cut into pieces.

import { expect } from 'chai';
import fc from 'fast-check';

import { type Line, readLines } from '../../lib/cli/line-reader.js';

async function lines(chunks: readonly Uint8Array[], maxLineBytes = 1000): Promise<Line[]> {
  async function* stream(): AsyncGenerator<Uint8Array> {
    yield* chunks;
  }
  const result: Line[] = [];
  for await (const line of readLines(stream(), maxLineBytes)) result.push(line);
  return result;
}

describe('line reader', () => {
  it('gives what splitting the whole text gives', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('a', 'é', '😀', '\n', '\r\n', ' ', '"')),
        fc.array(fc.nat(40)),
        async (pieces, cuts) => {
          const text = pieces.join('');
          const bytes = Buffer.from(text);
          const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].sort((a, b) => a - b);
          const chunks = places.slice(1).map((end, i) => bytes.subarray(places[i], end));
          const wanted = text.split('\n').filter((line) => line.trim() !== '');
          expect(await lines(chunks)).to.deep.equal(wanted.map((line) => ({ text: line })));
        },
      ),
      { seed: 11, numRuns: 300 },
    );
  });

  it('reports a line beyond the limit in its place, at the limit takes it', async () => {
    const bytes = Buffer.from('12345\n123456\n1\n');
    for (const size of [1, 3, 100]) {
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
        bytes.subarray(i * size, (i + 1) * size),
      );
      expect(await lines(chunks, 5)).to.deep.equal([
        { text: '12345' },
        { problem: 'The line is longer than 5 bytes' },
        { text: '1' },
      ]);
    }
  });

  it('reports bytes that are no UTF-8', async () => {
    expect(await lines([Uint8Array.of(0x61, 0xff, 0x0a, 0x62)])).to.deep.equal([
      { problem: 'The line is not valid UTF-8' },
      { text: 'b' },
    ]);
  });
});
