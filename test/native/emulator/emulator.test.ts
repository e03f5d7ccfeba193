// SPDX-License-Identifier: Apache-2.0
// The emulator of instructions that a CPU lacks (native/lab/emulator): what it leaves to the system, and that a run with it
// cannot pass without having run.

import { spawnSync } from 'node:child_process';

import { expect } from 'chai';

import { emulatedIsas, emulating, emulationMark } from '../lab.js';
import { assemblers } from './assembler.js';
import { endOfProgram, endOfSignal } from './machine-code.js';

if (emulating && emulatedIsas.length === 0) {
  it.skip('nothing (emulated): this CPU has all that the emulator knows, or lacks what the kernels use besides');
}

for (const isa of emulatedIsas) {
  describe(`with the emulator of ${isa}${emulationMark(isa)}`, () => {
    before(function () {
      if (assemblers.length === 0) this.skip();
    });
    const memory = new Uint8Array(4096);

    it('a program without illegal instructions ends well', () => {
      expect(endOfProgram('ret', memory)).to.equal('alive');
    });

    it('an illegal instruction that it does not know ends the process', () => {
      expect(endOfProgram('ud2', memory)).to.equal('SIGILL');
    });

    it('SIGILL from a process ends the process', () => {
      expect(endOfSignal('SIGILL')).to.equal('SIGILL');
    });

    it('a suite whose kernels did not run fails', () => {
      const mocha = ['node_modules/mocha/bin/mocha.js', 'build/js/test/native/matmul.test.js', '--grep', 'ran, as asked for'];
      const env = { ...process.env, LLAMA_GUARD_EXPECT_ISA: isa };
      const { status, stdout } = spawnSync(process.execPath, mocha, { encoding: 'utf8', env });
      expect(stdout).to.contain(`no ${isa} kernel of q4q8_matmul ran`);
      expect(status).to.equal(emulatedIsas.length);
    });
  });
}
