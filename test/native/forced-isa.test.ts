// SPDX-License-Identifier: Apache-2.0
// Forcing an instruction set: it is used, or refused with a code. A kernel that the CPU lacks would end the process.

import { expect } from 'chai';

import { openContainer } from '../../lib/loading/container.js';
import { loadAddon } from '../../lib/native/load-addon.js';
import { lab } from './lab.js';

/** Seven tokens through the demo model with that instruction set: its name, or the code of the refusal. */
async function judgeWith(isa: string): Promise<string> {
  const { spec } = await openContainer('models/demo');
  try {
    const model = await loadAddon().loadModel(spec, { threads: 1, isa });
    const logits = await model.forward([{ sequence: model.createSequence(), tokens: Uint32Array.from([1, 2, 3, 4, 5, 6, 7]), logits: 1 }]);
    expect([...logits].every(Number.isFinite)).to.equal(true);
    const name = model.isa;
    model.dispose();
    return name;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('forcing an instruction set', () => {
  for (const { name, compiled, supported } of lab.isas()) {
    const runs = compiled && supported;
    it(`${name} ${runs ? 'is used' : `is refused: ${compiled ? 'this CPU' : 'this binary'} lacks it`}`, async () => {
      expect(await judgeWith(name)).to.equal(runs ? name : 'ERR_LLAMA_GUARD_UNSUPPORTED_ISA');
    });
  }

  it('a name that no CPU has is refused', async () => {
    for (const name of ['sse9', 'AVX2', ' avx2', 'avx2 ']) expect(await judgeWith(name)).to.equal('ERR_LLAMA_GUARD_UNKNOWN_ISA');
  });
});
