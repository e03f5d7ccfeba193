// SPDX-License-Identifier: Apache-2.0
// Reads native/sources.json, the one list of C++ files, for binding.gyp and the generated Makefile.
// binding.gyp calls it: `node tools/sources.mjs core|addon|lab`, `isa NAME ARCH`, `count NAME ARCH`,
// `isa-flags NAME`, `flags`, `isa-defines ARCH`, `sanitize`; each prints words separated by spaces.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

import { isMain } from './common.mjs';

/** The parsed list. The kernel lab is for the repository's tests, and the package does not bring its files along. */
export function readSources() {
  const native = new URL('../native/', import.meta.url);
  const sources = JSON.parse(readFileSync(new URL('sources.json', native), 'utf8'));
  return existsSync(new URL('lab', native)) ? sources : { ...sources, lab: [] };
}

/** The addons that are built, each with its own files. */
export function addons({ addon, lab }) {
  return Object.entries({ llama_guard: addon, kernel_lab: lab }).filter(([, files]) => files.length > 0);
}

/** Names of the ISA groups that have files for the target architecture (Node's name of it). */
export function isaGroups(sources, arch) {
  return Object.keys(sources.isa).filter((name) => isaSources(sources, name, arch).length > 0);
}

/** Files of one ISA group; none when it belongs to another architecture, or when the compiler is too old for its flags. */
export function isaSources(sources, name, arch) {
  const group = sources.isa[name];
  return group.arch === arch && compilerAccepts(group.flags, arch) ? underNative(group.sources) : [];
}

/**
 * Whether the compiler that the build will use takes these flags: gcc knows -mavxvnni from version 11 only, and a binary
 * without those kernels is better than none. True where it cannot be asked: the build itself will say what is wrong.
 */
export function compilerAccepts(flags, arch, compiler = process.env.CXX) {
  if (compiler === undefined && arch !== process.arch) return true;
  const [program, ...words] = (compiler ?? (process.platform === 'linux' ? 'g++' : 'c++')).split(' ').filter(Boolean);
  const probe = spawnSync(program, [...words, ...flags, '-x', 'c++', '-E', '-'], { input: '', stdio: ['pipe', 'ignore', 'ignore'] });
  return probe.error !== undefined || probe.status === 0;
}

/** Paths from the repository's root. */
export function underNative(files) {
  return files.map((file) => `native/${file}`);
}

/** Preprocessor definitions that tell the code which ISA groups were compiled in. */
export function isaDefines(sources, arch) {
  return isaGroups(sources, arch).map((name) => `LG_HAVE_${name.toUpperCase()}=1`);
}

/** Compiler and linker flags of the sanitizers named in LG_SANITIZE, such as "address,undefined". */
export function sanitizeFlags(wanted = process.env.LG_SANITIZE) {
  return wanted ? [`-fsanitize=${wanted}`, '-fno-sanitize-recover=undefined', '-g', '-O1', '-fno-omit-frame-pointer'] : [];
}

function answer([what, name, arch]) {
  const sources = readSources();
  switch (what) {
    case 'core':
    case 'addon':
    case 'lab':
      return underNative(sources[what]);
    case 'isa':
      return isaSources(sources, name, arch);
    case 'count':
      return [String(isaSources(sources, name, arch).length)];
    case 'isa-flags':
      return sources.isa[name].flags;
    case 'isa-defines':
      return isaDefines(sources, name);
    case 'flags':
      return sources.flags;
    case 'sanitize':
      return sanitizeFlags();
    default:
      throw new Error(`unknown question: ${what}`);
  }
}

if (isMain(import.meta.url)) {
  process.stdout.write(answer(process.argv.slice(2)).join(' '));
}
