// SPDX-License-Identifier: Apache-2.0
// Compilers that make arm64 code on this machine.

import { spawnSync } from 'node:child_process';

import { works } from '../common.mjs';
import { readSources } from '../sources.mjs';

const newestClang = 30, oldestClang = 14;
const program = '#include <arm_neon.h>\n#include <cstddef>\n';

function candidates() {
  const clangs = Array.from({ length: newestClang - oldestClang + 1 }, (_, i) => `clang++-${newestClang - i}`);
  return {
    gcc: [{ command: 'aarch64-linux-gnu-g++', target: [] }],
    clang: [...clangs, 'clang++'].map((command) => ({ command, target: ['--target=aarch64-linux-gnu'] })),
  };
}

/** The newest compiler of each kind that compiles for arm64: {name, command, target}. */
export function findCompilers() {
  return Object.entries(candidates()).flatMap(([kind, all]) => {
    const found = all.find(({ command, target }) => works(command, [...target, '-fsyntax-only', '-x', 'c++', '-'], program));
    return found === undefined ? [] : [{ name: `${kind} ${versionOf(found.command)}`, ...found }];
  });
}

function versionOf(command) {
  return spawnSync(command, ['-dumpversion'], { encoding: 'utf8' }).stdout.trim();
}

/** Assembly text of a C++ file with the flags of its instruction set in native/sources.json. */
export function assemble({ command, target }, file, isa) {
  const sources = readSources();
  const args = [...target, ...sources.flags, ...sources.isa[isa].flags, '-fPIC', '-Inative', '-S', '-o', '-', file];
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${result.error?.message ?? result.stderr}`);
  return result.stdout;
}
