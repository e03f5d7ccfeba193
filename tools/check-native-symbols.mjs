// SPDX-License-Identifier: Apache-2.0
// Checks the compiled core with nm: nothing in it ends the process, prints or throws, and the files of an instruction
// set define no weak symbol. The linker keeps one copy of a weak symbol for the whole program: if that is the one
// compiled for AVX-512, older CPUs meet an illegal instruction. Because a compiler inlines as it likes, these files
// are compiled once more without optimization for that. Arguments: the build folder (default build) and, for a cross
// build, its architecture; CXX is then the cross compiler.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { findCompiler } from './check-tools.mjs';
import { fail, filesUnder, isMain } from './common.mjs';
import { isaGroups, isaSources, readSources, underNative } from './sources.mjs';

const forbidden = new Set([
  ...['abort', 'exit', '_exit', '_Exit', 'quick_exit', '__assert_fail', '__cxa_throw', '__cxa_allocate_exception'],
  ...['printf', 'fprintf', 'vprintf', 'vfprintf', 'puts', 'putchar', 'fputs', 'fwrite', 'perror'],
  ...['__printf_chk', '__fprintf_chk', '__vfprintf_chk', '_ZSt4cerr', '_ZSt4cout', '_ZSt4clog', '_ZSt9terminatev'],
]);

/** [type letter, name] of each symbol of an object file. */
function symbolsOf(object) {
  const { status, stdout, error } = spawnSync('nm', ['--format=posix', object], { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (error || status !== 0) fail(`check-native-symbols: nm could not read ${object}`);
  return stdout.trim().split('\n').filter(Boolean).map((line) => line.split(' ')).map(([name, type]) => [type, name]);
}

/** What `object`, compiled from `source`, has that the core must not have. */
export function symbolProblems(source, object, { weakAllowed }) {
  const problems = [];
  for (const [type, name] of symbolsOf(object)) {
    if (type === 'U' && forbidden.has(name)) problems.push(`${source}: calls ${name}`);
    if (!weakAllowed && 'WVu'.includes(type)) problems.push(`${source}: defines the weak symbol ${name}`);
  }
  return problems;
}

function builtObject(objects, source) {
  const stem = source.replace(/\.cc$/, '');
  const object = objects.find((file) => [`${stem}.o`, `${source}.o`].some((end) => file.endsWith(`${path.sep}${end}`)));
  return object ?? fail(`check-native-symbols: no object of ${source} was found; build first (npm run build)`);
}

function unoptimizedProblems(sources, group, files) {
  const folder = mkdtempSync(path.join(tmpdir(), 'llama-guard-symbols-'));
  const object = path.join(folder, 'object.o');
  const flags = [...sources.flags.filter((flag) => !flag.startsWith('-O')), ...sources.isa[group].flags, '-O0', '-DNDEBUG'];
  const problems = files.flatMap((file) => {
    const { status, stderr } = spawnSync(findCompiler(), [...flags, '-Inative', '-fPIC', '-c', file, '-o', object], {
      encoding: 'utf8',
    });
    if (status !== 0) fail(`check-native-symbols: ${file} does not compile at -O0\n${stderr}`);
    return symbolProblems(`${file} at -O0`, object, { weakAllowed: false });
  });
  rmSync(folder, { recursive: true });
  return problems;
}

function allProblems(buildFolder, arch) {
  const sources = readSources();
  const objects = filesUnder([buildFolder]).filter((file) => file.endsWith('.o'));
  const check = (file, weakAllowed) => symbolProblems(file, builtObject(objects, file), { weakAllowed });
  const problems = underNative(sources.core).flatMap((file) => check(file, true));
  for (const group of isaGroups(sources, arch)) {
    const files = isaSources(sources, group, arch);
    problems.push(...files.flatMap((file) => check(file, false)), ...unoptimizedProblems(sources, group, files));
  }
  return problems;
}

if (isMain(import.meta.url)) {
  const problems = allProblems(process.argv[2] ?? 'build', process.argv[3] ?? process.arch);
  if (problems.length > 0) fail(`check-native-symbols:\n${problems.join('\n')}`);
}
