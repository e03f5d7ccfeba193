// SPDX-License-Identifier: Apache-2.0
// vpdpbusd in machine code, on a CPU with AVX-VNNI or under the emulator: results by the manual's formula, with every
// kind of operand, and nothing else changes.

import { expect } from 'chai';

import { canRun, emulationMark, lab } from '../lab.js';
import { Random } from '../random.js';
import { assemblers } from './assembler.js';
import { type MemoryOperand, endOfProgram, execute, generalRegisters, memoryText } from './machine-code.js';

const general = generalRegisters.slice(0, 16);
const wide = lab.isas().some(({ name, supported }) => name === 'avx512vnni' && supported);
/** Bytes of a vector register, all of which a program stores. */
const width = wide ? 64 : 32;

/** Where things lie in a program's memory. Signals take the stack below rsp when that is the base of an operand. */
const layout = { stack: 0, stackBytes: 65536, near: 65536, far: 69632, vectors: 77824, saved: 78848, results: 79872 };
const resultBytes = 16 * width + 2 * 128;

interface Case {
  readonly bytes: number;
  readonly sum: number;
  readonly a: number;
  /** A register's number, or an operand in memory: its text, what it takes to point there, and where in the layout. */
  readonly b: number | { readonly text: string; readonly setup: readonly string[]; readonly at: number };
}

function registerCases(): Case[] {
  const one = [...general.keys()];
  return [16, 32].flatMap((bytes) =>
    one.flatMap((i) => [1, 7].map((step) => ({ bytes, sum: i, a: (i * step + 3) % 16, b: (i * 5 + step) % 16 }))),
  );
}

/** The operand with its registers set so that it lies at `at`. */
function pointTo(at: number, operand: MemoryOperand, count: number): Exclude<Case['b'], number> {
  const { base, index, scale = 1, displacement } = operand;
  const offset = displacement + (index === undefined ? 0 : count * scale);
  const setup = [`lea memory+${at - offset}(%rip), %${base}`, ...(index === undefined ? [] : [`mov $${count}, %${index}`])];
  return { text: memoryText(operand), setup, at };
}

function memoryCases(): Case[] {
  const displacements = [0, 127, -128, 4000, -4000];
  const places = [0, 1, 6000].map((offset) => layout.far + offset);
  const operands: Case['b'][] = places.map((at) => ({ text: `memory+${at}(%rip)`, setup: [], at }));
  for (const [i, base] of general.entries()) {
    const indices = [undefined, ...general.filter((index) => index !== 'rsp' && index !== base)];
    for (const [j, index] of indices.entries()) {
      const displacement = displacements[(i + 2 * j) % 5]!;
      const operand = { base, index, scale: 1 << (i + j) % 4, displacement: base === 'rsp' ? Math.abs(displacement) : displacement };
      operands.push(pointTo(base === 'rsp' ? layout.near : layout.far + ((370 * i + 37 * j) % 8000), operand, (j % 7) - 3));
    }
  }
  return operands.map((b, i) => ({ bytes: i % 2 === 0 ? 32 : 16, sum: i % 16, a: (i >> 4) % 16, b }));
}

/** Lines that move all vector registers to or from memory at `at`. */
function moveVectors(at: number, step: number, direction: 'load' | 'store'): string[] {
  const [move, kind] = wide ? ['vmovdqu64', 'zmm'] : ['vmovdqu', 'ymm'];
  return general.map((_, i) => {
    const [register, memory] = [`%${kind}${i}`, `memory+${at + step * i}(%rip)`];
    return direction === 'load' ? `${move} ${memory}, ${register}` : `${move} ${register}, ${memory}`;
  });
}

function storeGeneral(at: number): string[] {
  return general.map((name, i) => `mov %${name}, memory+${at + 8 * i}(%rip)`);
}

/** Runs one instruction between known registers and leaves all of them in its place among the results. */
function linesOf({ bytes, sum, a, b }: Case, place: number): string[] {
  const kind = bytes === 32 ? 'ymm' : 'xmm';
  const operand = typeof b === 'number' ? `%${kind}${b}` : b.text;
  const at = layout.results + place * resultBytes;
  return [
    ...moveVectors(layout.vectors, 64, 'load'),
    ...(typeof b === 'number' ? [] : b.setup),
    ...storeGeneral(at),
    `{vex} vpdpbusd ${operand}, %${kind}${a}, %${kind}${sum}`,
    ...storeGeneral(at + 128),
    ...moveVectors(at + 256, width, 'store'),
  ];
}

function programOf(cases: readonly Case[]): string {
  const saved = ['rbx', 'rbp', 'r12', 'r13', 'r14', 'r15'];
  return [
    ...saved.map((name) => `push %${name}`),
    `mov %rsp, memory+${layout.saved}(%rip)`,
    ...cases.flatMap(linesOf),
    `mov memory+${layout.saved}(%rip), %rsp`,
    ...saved.reverse().map((name) => `pop %${name}`),
    'vzeroupper',
    'ret',
  ].join('\n');
}

/** The manual's formula: to each dword the four products of unsigned bytes of a and signed bytes of b, modulo 2^32. */
function dpbusd(sums: Uint8Array, a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = Uint8Array.from(sums);
  const view = new DataView(out.buffer);
  for (let i = 0; i < out.length; i += 4) {
    let sum = view.getInt32(i, true);
    for (let j = i; j < i + 4; j++) sum += a[j]! * ((b[j]! << 24) >> 24);
    view.setInt32(i, sum, true);
  }
  return out;
}

function expectCase({ bytes, sum, a, b }: Case, memory: Uint8Array, result: Uint8Array, what: string): void {
  const vector = (number: number) => memory.subarray(layout.vectors + 64 * number, layout.vectors + 64 * number + bytes);
  const second = typeof b === 'number' ? vector(b) : memory.subarray(b.at, b.at + bytes);
  expect(result.slice(128, 256), `${what}: general registers`).to.deep.equal(result.slice(0, 128));
  for (const number of general.keys()) {
    const found = result.slice(256 + width * number, 256 + width * (number + 1));
    const expected = memory.slice(layout.vectors + 64 * number, layout.vectors + 64 * number + width);
    if (number === sum) {
      expected.fill(0);
      expected.set(dpbusd(vector(sum), vector(a), second));
    }
    expect(found, `${what}: register ${number}`).to.deep.equal(expected);
  }
}

function expectCases(cases: readonly Case[]): void {
  const random = new Random('vpdpbusd');
  const memory = new Uint8Array(Math.ceil((layout.results + cases.length * resultBytes) / 4096) * 4096);
  for (let i = layout.near; i < layout.saved; i++) memory[i] = random.word();
  const results = execute(programOf(cases), memory).subarray(layout.results);
  for (const [i, one] of cases.entries()) {
    const result = results.slice(i * resultBytes, (i + 1) * resultBytes);
    expectCase(one, memory, result, JSON.stringify(one));
  }
}

describe(`vpdpbusd of AVX-VNNI in machine code${emulationMark('avxvnni')}`, () => {
  before(function () {
    if (assemblers.length === 0 || lab.execute === undefined || !canRun('avxvnni')) this.skip();
  });

  it('with every register', () => {
    expectCases(registerCases());
  });

  it('with operands in memory: every base and index, and relative to the instruction', () => {
    expectCases(memoryCases());
  });

  it('an operand beyond accessible memory ends the process', () => {
    const program = (at: number) => `{vex} vpdpbusd ${at}(%rdi), %ymm1, %ymm2\nret`;
    expect(endOfProgram(program(4096 - 32), new Uint8Array(4096))).to.equal('alive');
    expect(endOfProgram(program(4096 - 31), new Uint8Array(4096))).to.equal('SIGSEGV');
  });
});
