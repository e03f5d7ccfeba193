// SPDX-License-Identifier: Apache-2.0
// The self-test that ships: that it covers every kernel, runs none that the CPU lacks, and finds one that is wrong.

import { expect } from 'chai';

import { loadAddon } from '../../lib/native/load-addon.js';
import { emulatedIsas, emulationMark, lab } from './lab.js';

const families = ['attention', 'kv_store', 'q4q8_matmul', 'quantize_q8', 'rms_norm', 'rope', 'silu_mul', 'softmax'];

describe('self-test', () => {
  it('has a line for every kernel of this binary, and all that this CPU can run are equal', async () => {
    const lines = await loadAddon().selfTest();
    const supported = new Set(lab.isas().filter((isa) => isa.supported).map(({ name }) => name));
    const expected = lab.kernels().map(({ family, name, isa }) => {
      return { family, kernel: name, isa, health: supported.has(isa) ? 'equal' : 'unsupported' };
    });
    expect(lines).to.have.deep.members(expected);
  });

  it('runs nothing but the scalar kernels where the CPU has no features', () => {
    for (const { kernel, health } of lab.selfTest({ cpu: {} })) {
      expect(health, kernel).to.equal(kernel.endsWith('_scalar') ? 'equal' : 'unsupported');
    }
  });

  for (const isa of emulatedIsas) {
    it(`finds kernels of ${isa} equal${emulationMark(isa)}`, () => {
      const cpu = { ...lab.interpretX86(lab.readRawCpu()), [isa]: true };
      const lines = lab.selfTest({ cpu }).filter(({ kernel }) => kernel.endsWith(`_${isa}`));
      expect(lines.map(({ health }) => health)).to.deep.equal(lines.map(() => 'equal'));
      expect(lines).to.have.length.at.least(1);
    });
  }

  it('finds a kernel of any family that turns one bit of its last value', () => {
    const lines = lab.selfTest({ cpu: {}, spoiled: true });
    expect(lines.filter(({ kernel }) => kernel === 'spoiled')).to.deep.equal(
      families.map((family) => ({ family, kernel: 'spoiled', health: 'differs' })),
    );
    expect(lines.filter(({ health }) => health === 'equal').map(({ family }) => family)).to.deep.equal(families);
  });
});

describe('read bandwidth', () => {
  it('is a number of bytes per second, for one thread and for two', async () => {
    for (const threads of [1, 2]) expect(await loadAddon().readBandwidth(threads, 1 << 20)).to.be.greaterThan(0).and.below(Infinity);
  });

  for (const [what, threads, bytes] of [['no threads', 0, 1024], ['too many threads', 257, 1024], ['no bytes', 1, 0], ['half a byte', 1, 0.5]] as const) {
    it(`is refused for ${what}`, () => {
      expect(() => loadAddon().readBandwidth(threads, bytes)).to.throw().with.property('code', 'ERR_LLAMA_GUARD_INVALID_ARGUMENT');
    });
  }
});
