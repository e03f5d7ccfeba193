// SPDX-License-Identifier: Apache-2.0
// The engine against the stored logits of the reference in the engine's own arithmetic (docs/numerics.md): equal bits
// on every instruction set, at every number of threads, however a prompt is cut into passes.

import { expect } from 'chai';

import { openContainer } from '../../lib/loading/container.js';
import { engineContract } from '../reference/decoder.js';
import { contractCases, demoModel, readCases, readHeldout, readStoredReference } from '../reference/heldout.js';
import { NativeReader, promptTokens, supportedIsas } from './native-reader.js';

describe('the numeric contract, end to end', function () {
  this.timeout(600_000);
  const cases = contractCases(readHeldout());
  const { contract } = readStoredReference();
  /** Places among the cases: a user's turn and an agent's. */
  const [user, agent] = [0, 2];
  it('the stored logits are what the reference computes', async () => {
    const found = await readCases([cases[0]!], engineContract);
    expect(found[0]!.flatMap((row) => [...row])).to.deep.equal(contract[0]);
  });

  for (const isa of supportedIsas()) {
    const check = async (threads: number, which: readonly number[], cuts?: readonly number[]): Promise<void> => {
      const reader = await NativeReader.open({ isa, threads });
      for (const i of which) expect(await reader.read(cases[i]!.messages, cuts)).to.deep.equal(contract[i]);
      reader.dispose();
    };
    // The scalar kernels are slow on purpose.
    const most = isa === 'scalar' ? [user, agent] : [...cases.keys()];

    it(`holds on ${isa} with one thread`, () => check(1, most));
    it(`holds on ${isa} with two threads`, () => check(2, most));
    it(`holds on ${isa} for one token at a time`, () => check(2, [agent], [1]));
    it(`holds on ${isa} for odd pieces`, () => check(2, [user], [1, 7, 64, 13, 50, 3]));
  }

  it('would notice a token that is another one', async () => {
    const container = await openContainer(demoModel);
    expect(promptTokens(container, cases[0]!.messages)).not.to.deep.equal(promptTokens(container, cases[1]!.messages));
    const reader = await NativeReader.open({ isa: '', threads: 1 });
    expect(await reader.read(cases[1]!.messages)).not.to.deep.equal(contract[0]);
    reader.dispose();
  });
});
