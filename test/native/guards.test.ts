// SPDX-License-Identifier: Apache-2.0
// The lab's guards do what the kernel tests rely on: an access outside an operand ends the process or is reported, and
// wrong arguments are refused before a kernel sees them.

import { spawnSync } from 'node:child_process';

import { expect } from 'chai';

import { type KernelArgs, lab, labPath } from './lab.js';

/** Runs lab.touch in a process of its own; true when that process came to its end alive. */
function survives(options: Parameters<typeof lab.touch>[0]): boolean {
  const script = `require(${JSON.stringify(labPath())}).touch(${JSON.stringify(options)}); process.stdout.write('alive')`;
  return spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' }).stdout === 'alive';
}

describe('guarded operands', () => {
  it('every byte of the operand can be read, at each placement', () => {
    for (const placement of ['front', 'end', 'odd'] as const) {
      expect(lab.touch({ bytes: 100, offset: 0, placement })).to.deep.equal({ value: 255, intact: true });
      expect(lab.touch({ bytes: 100, offset: 99, placement })).to.deep.equal({ value: 255, intact: true });
    }
  });

  it('a write on the side without a page is noticed', () => {
    expect(lab.touch({ bytes: 100, offset: -1, placement: 'end', write: true }).intact).to.equal(false);
    expect(lab.touch({ bytes: 100, offset: 100, placement: 'front', write: true }).intact).to.equal(false);
    expect(lab.touch({ bytes: 100, offset: 100, placement: 'odd', write: true }).intact).to.equal(false);
  });

  describe('end a process that goes astray', () => {
    it('but not by reading what is its own', () => {
      expect(survives({ bytes: 100, offset: 0, placement: 'end' })).to.equal(true);
    });

    it('by reading before the front or after the end', () => {
      expect(survives({ bytes: 100, offset: -1, placement: 'front' })).to.equal(false);
      expect(survives({ bytes: 100, offset: 100, placement: 'end' })).to.equal(false);
      expect(survives({ bytes: 100, offset: 101, placement: 'odd' })).to.equal(false);
    });

    it('by writing to an input', () => {
      expect(survives({ bytes: 100, offset: 5, placement: 'end', write: true, sealed: true })).to.equal(false);
      expect(lab.touch({ bytes: 100, offset: 5, placement: 'end', sealed: true }).intact).to.equal(true);
    });
  });
});

describe('the lab refuses', () => {
  const softmax = { n: 4, x: new Float32Array(4) };

  function codeOf(call: () => unknown): unknown {
    try {
      call();
    } catch (error) {
      return (error as { code?: unknown }).code;
    }
    return 'no error';
  }

  const wrong: Record<string, KernelArgs> = {
    'an operand that is too short': { n: 5, x: new Float32Array(4) },
    'an operand that is too long': { n: 3, x: new Float32Array(4) },
    'an operand of another type': { n: 4, x: new Int32Array(4) },
    'an operand that is absent': { n: 4 },
    'a count of zero': { n: 0, x: new Float32Array(0) },
    'a count that is no whole number': { n: 4.5, x: new Float32Array(4) },
    'a count that is not a number': { n: NaN, x: new Float32Array(4) },
    'a count beyond any use': { n: 2 ** 60, x: new Float32Array(4) },
  };
  for (const [what, args] of Object.entries(wrong)) {
    it(what, () => {
      expect(codeOf(() => lab.run('softmax_1x16_scalar', args, 'end'))).to.equal('ERR_LLAMA_GUARD_INVALID_ARGUMENT');
    });
  }

  it('a kernel or a placement that is not there', () => {
    expect(codeOf(() => lab.run('softmax_1x16_abacus', softmax, 'end'))).to.equal('ERR_LLAMA_GUARD_INVALID_ARGUMENT');
    expect(codeOf(() => lab.run('softmax_1x16_scalar', softmax, 'side' as 'end'))).to.equal('ERR_LLAMA_GUARD_INVALID_ARGUMENT');
  });

  it('a kernel that this CPU lacks', function () {
    const lacking = lab.kernels().find((kernel) => !kernel.supported);
    if (lacking === undefined) return this.skip();
    expect(codeOf(() => lab.run(lacking.name, {}, 'end'))).to.equal('ERR_LLAMA_GUARD_UNSUPPORTED_ISA');
  });
});
