// SPDX-License-Identifier: Apache-2.0
// How the emulator reads machine code, held against encodings worked out by hand, and against assemblers and objdump.

import { expect } from 'chai';

import { type DecodedInstruction, lab } from '../lab.js';
import { assemblers, disassemble, withoutAssembler } from './assembler.js';
import { type MemoryOperand, generalRegisters, memoryText } from './machine-code.js';

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
  const memory = rm === undefined ? memoryText(operandOf(decoded)) : '';
  if (name === 'vpdpbusd') return `${name} ${rm === undefined ? memory : vector(rm)},${vector(vvvv)},${vector(reg)}`;
  if (name === 'tilerelease') return name;
  if (name === 'tilezero') return `${name} %tmm${reg}`;
  if (name === 'tilestored') return `${name} %tmm${reg},${memory}`;
  if (name.startsWith('tileload')) return `${name} ${memory},%tmm${reg}`;
  return name.startsWith('tdpb') ? `${name} %tmm${vvvv},%tmm${rm},%tmm${reg}` : `${name} ${memory}`;
}

/** Every base with every index, and the forms that have no base; displacements of no, one and four bytes. */
function memoryOperands(): MemoryOperand[] {
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
  return operands;
}

/** Every register in every place of an instruction with three. */
function vectorForms(kind: string): string[] {
  const one = [...Array(16).keys()];
  return one.flatMap((a) => one.map((b) => `%${kind}${a},%${kind}${b},%${kind}${(3 * a + 5 * b) % 16}`));
}

function vpdpbusdForms(): string[] {
  const memory = memoryOperands().map((operand, i) => {
    const kind = i % 2 === 0 ? 'ymm' : 'xmm';
    return `${memoryText(operand)},%${kind}${i % 16},%${kind}${(i >> 4) % 16}`;
  });
  return [...vectorForms('xmm'), ...vectorForms('ymm'), ...memory].map((operands) => `{vex} vpdpbusd ${operands}`);
}

/** Every base and index for tileloadd, tileloaddt1 and tilestored, and for the configuration; all products of different tiles. */
function tileForms(): string[] {
  const operands = memoryOperands();
  const texts = operands.filter(({ base }) => base !== 'rip').map(memoryText);
  const moves = texts.flatMap((text, i) => [`tileloadd ${text},%tmm${i % 8}`, `tileloaddt1 ${text},%tmm${i % 8}`, `tilestored %tmm${i % 8},${text}`]);
  const configurations = operands.map((operand, i) => `${i % 2 === 0 ? 'ld' : 'st'}tilecfg ${memoryText(operand)}`);
  const one = [...Array(8).keys()];
  const triples = one.flatMap((a) => one.flatMap((b) => one.filter((c) => c !== a && c !== b && a !== b).map((c) => [a, b, c])));
  const products = triples.flatMap(([a, b, c]) => ['ss', 'su', 'us', 'uu'].map((signs) => `tdpb${signs}d %tmm${a},%tmm${b},%tmm${c}`));
  return [...moves, ...configurations, ...products, ...one.map((tile) => `tilezero %tmm${tile}`), 'tilerelease'];
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
    ['c4 e2 78 49 07', 'ldtilecfg (%rdi)'],
    ['c4 c2 79 49 43 40', 'sttilecfg 0x40(%r11)'],
    ['c4 e2 78 49 c0', 'tilerelease'],
    ['c4 e2 7b 49 d8', 'tilezero %tmm3'],
    ['c4 e2 7b 4b 04 0e', 'tileloadd (%rsi,%rcx,1),%tmm0'],
    ['c4 e2 7b 4b 14 26', 'tileloadd (%rsi),%tmm2'],
    ['c4 a2 79 4b 7c b6 08', 'tileloaddt1 0x8(%rsi,%r14,4),%tmm7'],
    ['c4 c2 7a 4b 0c 0f', 'tilestored %tmm1,(%r15,%rcx,1)'],
    ['c4 e2 63 5e ca', 'tdpbssd %tmm3,%tmm2,%tmm1'],
    ['c4 e2 62 5e ca', 'tdpbsud %tmm3,%tmm2,%tmm1'],
    ['c4 e2 61 5e ca', 'tdpbusd %tmm3,%tmm2,%tmm1'],
    ['c4 e2 60 5e ca', 'tdpbuud %tmm3,%tmm2,%tmm1'],
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
    'a tile instruction of 256 bits': 'c4 e2 67 5e ca',
    'a tile instruction with VEX.W = 1': 'c4 e2 e3 5e ca',
    'a product into tile 8': 'c4 62 63 5e ca',
    'a product of tile 8 (VEX.B)': 'c4 c2 63 5e ca',
    'a product of tile 8 (VEX.vvvv)': 'c4 e2 3b 5e ca',
    'a product of a tile in memory': 'c4 e2 63 5e 0a',
    'a tile from memory without SIB': 'c4 e2 7b 4b 07',
    'a tile from a register': 'c4 e2 7b 4b c1',
    'a tile load without prefix': 'c4 e2 78 4b 04 0e',
    'a tile load with a third operand': 'c4 e2 73 4b 04 0e',
    'tilezero with rm = 1': 'c4 e2 7b 49 d9',
    'tilerelease with reg = 1': 'c4 e2 78 49 c8',
    'tilerelease with a third operand': 'c4 e2 60 49 c0',
    'ldtilecfg with reg = 1': 'c4 e2 78 49 0f',
    'sttilecfg to a register': 'c4 e2 79 49 c0',
  };
  for (const [what, hex] of Object.entries(unknown)) {
    it(`leaves alone: ${what}`, () => {
      expect(lab.decode!(bytesOf(hex))).to.equal(undefined);
    });
  }

  if (assemblers.length === 0) it.skip(`agrees with objdump: ${withoutAssembler}`);
  for (const assembler of assemblers) {
    it(`agrees with objdump on what ${assembler} writes`, () => {
      const forms = [...vpdpbusdForms(), ...tileForms()];
      const lines = disassemble(forms, assembler);
      expect(lines).to.have.length(forms.length);
      for (const [i, { bytes, text }] of lines.entries()) {
        const decoded = lab.decode!(bytes);
        expect(decoded && textOf(decoded), forms[i]).to.equal(text);
        expect(decoded!.length, forms[i]).to.equal(bytes.length);
      }
    });
  }
});
