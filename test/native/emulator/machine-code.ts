// SPDX-License-Identifier: Apache-2.0
// Programs in assembly language that run in the kernel lab, in this process or in one of their own, and the names of
// registers in AT&T syntax.

import { spawnSync } from 'node:child_process';

import { lab, labPath } from '../lab.js';
import { assemble } from './assembler.js';

/** The general registers by the numbers of their encodings; 16 stands for the address of the next instruction. */
export const generalRegisters: readonly string[] = [
  'rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15', 'rip',
];

export interface MemoryOperand {
  readonly base?: string | undefined;
  readonly index?: string | undefined;
  readonly scale?: number;
  readonly displacement: number;
}

/** A memory operand as assemblers read it and objdump prints it. */
export function memoryText({ base, index, scale = 1, displacement }: MemoryOperand): string {
  const sign = displacement < 0 ? '-' : '';
  const offset = displacement === 0 ? '' : `${sign}0x${Math.abs(displacement).toString(16)}`;
  const from = base === undefined ? '' : `%${base}`;
  if (index !== undefined) return `${offset}(${from},%${index},${scale})`;
  return base === undefined ? offset || '0x0' : `${offset}(${from})`;
}

interface Image {
  readonly image: Uint8Array;
  readonly bytes: number;
  readonly codeBytes: number;
  readonly threads: number;
}

/** The program with `memory`, whole pages, behind the label of that name. It begins as void(memory, thread) in rdi and rsi. */
function link(program: string, memory: Uint8Array, threads: number): Image {
  const image = assemble(`${program}\n.p2align 12\nmemory: .skip ${memory.length}`);
  const codeBytes = image.length - memory.length;
  image.set(memory, codeBytes);
  return { image, bytes: image.length, codeBytes, threads };
}

/** What the memory holds when the program has returned on every thread. */
export function execute(program: string, memory: Uint8Array, threads = 1): Uint8Array {
  return lab.execute!(link(program, memory, threads));
}

/** How a process ends that does this: the name of the signal, or what it said; then what the emulator said of a fault. */
function endOf(action: string): string {
  const script = `const lab = require(${JSON.stringify(labPath())}); lab.emulate(); ${action}; process.stdout.write('alive')`;
  // AddressSanitizer would end the process in its own way.
  const asan = `${process.env['ASAN_OPTIONS'] ?? ''}:handle_sigill=0:handle_segv=0:handle_sigbus=0`;
  const env = { ...process.env, ASAN_OPTIONS: asan };
  const { signal, stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', env });
  const faults = [...stderr.matchAll(/^kernel_lab: .*: (#.*)$/gm)].map(([, fault]) => fault);
  return [signal ?? stdout, ...faults].join(', ');
}

/** How a process ends that sends itself a signal. */
export function endOfSignal(signal: string): string {
  return endOf(`process.kill(process.pid, '${signal}')`);
}

/** How a process ends that runs a program of this kind, with the emulator where there is something to emulate. */
export function endOfProgram(program: string, memory: Uint8Array): string {
  const { image, ...rest } = link(program, memory, 1);
  const text = Buffer.from(image).toString('base64');
  return endOf(`lab.execute({ image: new Uint8Array(Buffer.from('${text}', 'base64')), ...${JSON.stringify(rest)} })`);
}
