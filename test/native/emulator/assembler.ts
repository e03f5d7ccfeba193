// SPDX-License-Identifier: Apache-2.0
// The assemblers and the disassembler that the emulator is tested against: GNU as, clang where it is installed, and
// objdump. Text is in AT&T syntax.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** One line of a disassembly. */
export interface DisassembledLine {
  readonly bytes: Uint8Array;
  readonly text: string;
}

const commands: Readonly<Record<string, (source: string, object: string) => string[]>> = {
  as: (source, object) => ['as', source, '-o', object],
  clang: (source, object) => ['clang', '-c', '-x', 'assembler', source, '-o', object],
};

function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(path.join(tmpdir(), 'llama-guard-as-'));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function run([command, ...args]: readonly string[]): string {
  return execFileSync(command!, args, { encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Assembles `text` into an object file in `folder`. */
function toObject(text: string, folder: string, assembler: string): string {
  const [source, object] = [path.join(folder, 'program.s'), path.join(folder, 'program.o')];
  writeFileSync(source, `${text}\n`);
  run(commands[assembler]!(source, object));
  return object;
}

/** The machine code of a program without references to anything outside of it. */
export function assemble(text: string): Uint8Array {
  return inFolder((folder) => {
    const binary = path.join(folder, 'program.bin');
    run(['objcopy', '-O', 'binary', '-j', '.text', toObject(text, folder, 'as'), binary]);
    return new Uint8Array(readFileSync(binary));
  });
}

/** A line of objdump without what it says of the encoding: which prefix, a displacement of 0, that an index is absent. */
function plain(text: string): string {
  const operation = text.replace(/ *#.*/, '').replace('{vex} ', '').replace(/\s+/g, ' ').trim();
  return operation.replace(/\b0x0\(/, '(').replace(',%riz,1)', ')');
}

/** What objdump reads in the code that the assembler makes of `lines`. */
export function disassemble(lines: readonly string[], assembler: string): DisassembledLine[] {
  const listing = inFolder((folder) => run(['objdump', '-dw', toObject(lines.join('\n'), folder, assembler)]));
  return [...listing.matchAll(/^ *[0-9a-f]+:\t([0-9a-f ]+)\t(.*)$/gm)].map(([, bytes, text]) => ({
    bytes: Uint8Array.from(bytes!.trim().split(' '), (byte) => Number.parseInt(byte, 16)),
    text: plain(text!),
  }));
}

function works(assembler: string): boolean {
  try {
    return disassemble(['{vex} vpdpbusd %ymm0, %ymm1, %ymm2', 'tilezero %tmm3'], assembler).at(-1)!.text === 'tilezero %tmm3';
  } catch {
    return false;
  }
}

/** The assemblers of this machine that know the emulator's instructions, along with objdump and objcopy. */
export const assemblers: readonly string[] =
  spawnSync('objcopy', ['--version']).error === undefined ? Object.keys(commands).filter(works) : [];

/** Why tests that need an assembler are skipped. */
export const withoutAssembler = 'there is no GNU binutils that knows AVX-VNNI and AMX';
