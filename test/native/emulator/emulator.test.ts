// SPDX-License-Identifier: Apache-2.0
// The emulator of instructions that a CPU lacks (native/lab/emulator): how it reads machine code, held against assemblers
// and objdump, what it leaves to the system, and that a run with it cannot pass without having run.

import { spawnSync } from 'node:child_process';

import { expect } from 'chai';

import { type DecodedInstruction, emulatedIsas, emulating, emulationMark, lab } from '../lab.js';
import { assemblers, disassemble, withoutAssembler } from './assembler.js';
import { type MemoryOperand, endOfProgram, endOfSignal, generalRegisters, memoryText } from './machine-code.js';

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.split(' '), (byte) => Number.parseInt(byte, 16));
}

function operandOf({ base, index, scale, displacement }: DecodedInstruction): MemoryOperand {
  const name = (number: number) => (number < 0 ? undefined : generalRegisters[number]);
  return { base: name(base!), index: name(index!), scale: scale!, displacement: displacement! };
}

/** The instruction as objdump writes it. */
function textOf(decoded: DecodedInstruction): string {
  const { name, vectorBytes, reg, vvvv, rm } = decoded;
  const vector = (number: number) => `%${vectorBytes === 32 ? 'ymm' : 'xmm'}${number}`;
  return `${name} ${rm === undefined ? memoryText(operandOf(decoded)) : vector(rm)},${vector(vvvv)},${vector(reg)}`;
}

/** Every base with every index, and the forms that have no base; displacements of no, one and four bytes. */
function memoryForms(): string[] {
  const displacements = [0, 1, -1, 127, -128, 128, -129, 0x12345678, -0x80000000];
  const general = generalRegisters.slice(0, 16);
  const indices = general.filter((name) => name !== 'rsp');
  const operands: MemoryOperand[] = displacements.map((displacement) => ({ base: 'rip', displacement }));
  for (const displacement of displacements) {
    if (displacement >= 0) operands.push({ displacement });
    for (const base of general) operands.push({ base, displacement });
    for (const [i, index] of indices.entries()) {
      operands.push({ index, scale: 1 << i % 4, displacement });
      for (const [j, base] of general.entries()) operands.push({ base, index, scale: 1 << (i + j) % 4, displacement });
    }
  }
  return operands.map(memoryText);
}

/** Every register in every place of an instruction with three. */
function vectorForms(kind: string): string[] {
  const one = [...Array(16).keys()];
  return one.flatMap((a) => one.map((b) => `%${kind}${a},%${kind}${b},%${kind}${(3 * a + 5 * b) % 16}`));
}

function vpdpbusdForms(): string[] {
  const memory = memoryForms().map((operand, i) => {
    const kind = i % 2 === 0 ? 'ymm' : 'xmm';
    return `${operand},%${kind}${i % 16},%${kind}${(i >> 4) % 16}`;
  });
  return [...vectorForms('xmm'), ...vectorForms('ymm'), ...memory].map((operands) => `vpdpbusd ${operands}`);
}

describe('the decoder of the emulator', () => {
  before(function () {
    if (lab.decode === undefined) this.skip();
  });

  /** Encodings worked out by hand from the manual's tables of VEX, ModRM and SIB. */
  const known: readonly [hex: string, text: string][] = [
    ['c4 e2 55 50 f4', 'vpdpbusd %ymm4,%ymm5,%ymm6'],
    ['c4 42 01 50 c7', 'vpdpbusd %xmm15,%xmm15,%xmm8'],
    ['c4 e2 55 50 35 00 00 00 00', 'vpdpbusd (%rip),%ymm5,%ymm6'],
    ['c4 e2 55 50 34 24', 'vpdpbusd (%rsp),%ymm5,%ymm6'],
    ['c4 c2 55 50 75 00', 'vpdpbusd (%r13),%ymm5,%ymm6'],
    ['c4 a2 55 50 b4 f5 00 00 00 10', 'vpdpbusd 0x10000000(%rbp,%r14,8),%ymm5,%ymm6'],
    ['c4 e2 55 50 34 6d 00 fc ff ff', 'vpdpbusd -0x400(,%rbp,2),%ymm5,%ymm6'],
  ];
  for (const [hex, text] of known) {
    it(`${hex}: ${text}`, () => {
      const decoded = lab.decode!(bytesOf(hex))!;
      expect(textOf(decoded)).to.equal(text);
      expect(decoded.length).to.equal(bytesOf(hex).length);
    });
  }

  const unknown: Readonly<Record<string, string>> = {
    'ud2': '0f 0b',
    'VEX.W = 1': 'c4 e2 d5 50 f4',
    'another prefix': 'c4 e2 54 50 f4',
    'another opcode': 'c4 e2 55 54 f4',
    'another opcode map': 'c4 e1 55 50 f4',
    'a two-byte VEX prefix': 'c5 d5 50 f4',
    'the EVEX encoding': '62 f2 55 28 50 f4',
    'a displacement that is cut off': 'c4 e2 55 50 b4 f5 00 00 00',
  };
  for (const [what, hex] of Object.entries(unknown)) {
    it(`leaves alone: ${what}`, () => {
      expect(lab.decode!(bytesOf(hex))).to.equal(undefined);
    });
  }

  if (assemblers.length === 0) it.skip(`agrees with objdump: ${withoutAssembler}`);
  for (const assembler of assemblers) {
    it(`agrees with objdump on what ${assembler} writes`, () => {
      const forms = vpdpbusdForms();
      const lines = disassemble(forms.map((form) => `{vex} ${form}`), assembler);
      expect(lines).to.have.length(forms.length);
      for (const [i, { bytes, text }] of lines.entries()) {
        const decoded = lab.decode!(bytes);
        expect(decoded && textOf(decoded), forms[i]).to.equal(text);
        expect(decoded!.length, forms[i]).to.equal(bytes.length);
      }
    });
  }
});

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
