// SPDX-License-Identifier: Apache-2.0
// The bits of the demo model's logits, kept in a file: every instruction set, on x86 and on arm64, must give these.
// UPDATE_GOLDEN=1 writes the file from the scalar kernels, after a change of the numeric contract or of the demo model.

import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import type { NativeModel } from '../../lib/native/addon.js';
import { loadAddon } from '../../lib/native/load-addon.js';
import { loadDemo, tokens } from './demo-engine.js';

const file = 'test/fixtures/golden-logits.json';
const addon = loadAddon();

/** Two sequences in one pass, one of them across a block of 64 keys, then three single tokens. As hexadecimal words. */
async function logitWords(model: NativeModel): Promise<string[]> {
  const long = model.createSequence();
  const short = model.createSequence();
  const passes = [await model.forward([
    { sequence: long, tokens: tokens(70, 1), logits: 2 },
    { sequence: short, tokens: tokens(5, 2), logits: 1 },
  ])];
  for (let i = 0; i < 3; i++) passes.push(await model.forward([{ sequence: long, tokens: tokens(1, 3 + i), logits: 1 }]));
  long.dispose();
  short.dispose();
  return passes.flatMap((pass) => [...new Uint32Array(pass.buffer)].map((word) => word.toString(16).padStart(8, '0')));
}

describe('golden logits', () => {
  for (const { name, supported } of addon.isas()) {
    for (const threads of [1, 3]) {
      it(`are the bits of ${name} on ${threads} thread(s)`, async function () {
        if (!supported) this.skip();
        const model = await loadDemo({ threads, isa: name });
        try {
          const words = await logitWords(model);
          if (process.env['UPDATE_GOLDEN'] === '1' && name === 'scalar') writeFileSync(file, `${JSON.stringify(words, null, 1)}\n`);
          expect(words).to.deep.equal(JSON.parse(readFileSync(file, 'utf8')));
          expect(model.isa).to.equal(name);
        } finally {
          model.dispose();
        }
      });
    }
  }
});
