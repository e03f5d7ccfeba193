// SPDX-License-Identifier: Apache-2.0
// Sequences of one pass against the same sequences alone: equal bits, whatever they share with each other and however
// many threads cut the work.

import { expect } from 'chai';

import type { NativeModel, NativeSequence } from '../../lib/native/addon.js';
import { loadDemo, tokens as someTokens } from './demo-engine.js';
import { supportedIsas } from './native-reader.js';

/** A sequence of the batch: the first `kept` tokens of an earlier one (or of none), then tokens of its own. */
interface Branch {
  readonly of?: number;
  readonly kept: number;
  readonly own: number;
  readonly logits: number;
}

/** Trees of shared prefixes, with blocks of 64 positions shared and cut, and one sequence that shares nothing. */
const branches: readonly Branch[] = [
  { kept: 0, own: 200, logits: 1 },
  { of: 0, kept: 128, own: 21, logits: 2 },
  { of: 0, kept: 200, own: 1, logits: 1 },
  { kept: 0, own: 70, logits: 0 },
  { of: 0, kept: 150, own: 84, logits: 84 },
  { of: 4, kept: 192, own: 5, logits: 3 },
  { of: 3, kept: 64, own: 9, logits: 1 },
  { of: 0, kept: 64, own: 1, logits: 1 },
  { of: 4, kept: 230, own: 30, logits: 1 },
];

/** How many of the tokens of a branch are in the cache before the pass that is compared. */
const cached = (branch: Branch): number => branch.kept + (branch.own > 1 ? branch.own >> 1 : 0);

/** The pass that is compared has only the last tokens of each branch. */
const logitsOf = (branch: Branch): number => Math.min(branch.logits, branch.kept + branch.own - cached(branch));

/** All tokens of each branch. */
function tokensOf(): Uint32Array[] {
  const all: Uint32Array[] = [];
  for (const [i, { of, kept, own }] of branches.entries()) {
    const inherited = of === undefined ? [] : all[of]!.subarray(0, kept);
    all.push(Uint32Array.from([...inherited, ...someTokens(own, i + 1)]));
  }
  return all;
}

/** Logits of the last tokens of each branch, each in a sequence and a pass of its own. */
async function alone(model: NativeModel): Promise<number[][]> {
  const result: number[][] = [];
  for (const [i, tokens] of tokensOf().entries()) {
    const sequence = model.createSequence();
    result.push([...(await model.forward([{ sequence, tokens, logits: logitsOf(branches[i]!) }]))]);
    sequence.dispose();
  }
  return result;
}

/** The same from one pass over all branches. */
async function together(model: NativeModel): Promise<number[]> {
  const sequences: NativeSequence[] = [];
  const all = tokensOf();
  for (const [i, branch] of branches.entries()) {
    // A parent may hold fewer tokens than its branch keeps: those come again, into segments of the branch's own.
    const parent = branch.of === undefined ? undefined : sequences[branch.of]!;
    const sequence = parent === undefined ? model.createSequence() : parent.fork(Math.min(branch.kept, parent.length));
    const tokens = all[i]!.subarray(sequence.length, cached(branch));
    if (tokens.length > 0) await model.forward([{ sequence, tokens, logits: 0 }]);
    sequences.push(sequence);
  }
  const batch = sequences.map((sequence, i) => ({ sequence, tokens: all[i]!.subarray(sequence.length), logits: logitsOf(branches[i]!) }));
  const logits = [...(await model.forward(batch))];
  for (const sequence of sequences) sequence.dispose();
  return logits;
}

describe('sequences of one pass', function () {
  this.timeout(600_000);
  let expected: number[];
  before('each alone, on the widest instruction set', async () => {
    const model = await loadDemo({ isa: '', threads: 1 });
    expected = (await alone(model)).flat();
    model.dispose();
  });

  // The scalar kernel takes one sequence after the other; it is slow on purpose.
  for (const isa of supportedIsas().filter((name) => name !== 'scalar')) {
    it(`have the bits of each alone on ${isa}, with 1, 2, 3 and 8 threads`, async () => {
      for (const threads of [1, 2, 3, 8]) {
        const model = await loadDemo({ isa, threads });
        expect(await together(model), `${threads} threads`).to.deep.equal(expected);
        model.dispose();
      }
    });
  }
});
