// SPDX-License-Identifier: Apache-2.0
// Checks a built addon before anybody loads it: `node tools/check-binary.mjs TARGET FILE...`, where a target is
// linux-x64, linux-arm64 or android-arm64. What is missing on a user's machine shows at load time only, on that
// machine; here it is a line of text.

import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

import { fail, isMain, progress } from './common.mjs';
import { readElf } from './elf.mjs';

const require = createRequire(import.meta.url);
const newestGlibc = '2.28';
const oldestAndroid = 24;
const nodeApi = 'v8';
/** What a Node-API module shows to Node. */
const entryPoints = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];

const glibc = { libraries: ['libc.so.6', 'libm.so.6', 'libpthread.so.0', 'libdl.so.2'], undefinedProblem: glibcProblem };
/** For each target: architecture, largest page of its kernels in bytes, libraries, and what an undefined symbol may be. */
export const targets = {
  'linux-x64': { arch: 'x64', pageBytes: 4096, ...glibc, libraries: [...glibc.libraries, 'ld-linux-x86-64.so.2'] },
  'linux-arm64': { arch: 'arm64', pageBytes: 65536, ...glibc, libraries: [...glibc.libraries, 'ld-linux-aarch64.so.1'] },
  'android-arm64': {
    arch: 'arm64',
    pageBytes: 16384,
    libraries: ['libc.so', 'libm.so', 'libdl.so'],
    undefinedProblem: bionicProblem,
    // Android has thread-local storage of its own from API 29 only.
    noThreadLocal: true,
  },
};

/** Names of the functions that Node exports to modules of Node-API 8. */
export function nodeSymbols() {
  const { js_native_api_symbols: engine, node_api_symbols: node } = require('node-api-headers').symbols[nodeApi];
  return new Set([...engine, ...node]);
}

/** Symbol -> the Android API level that brought it to arm64, from the lines `name level` of tools/android-symbols.txt. */
export function androidSymbols(text = readFileSync(new URL('android-symbols.txt', import.meta.url), 'utf8')) {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => line.split(' ')).map(([name, level]) => [name, Number(level)]));
}

/** All that is wrong with an addon as tools/elf.mjs describes it, one line each. `android`: as androidSymbols() gives it. */
export function binaryProblems(elf, targetName, android = androidSymbols()) {
  const target = targets[targetName];
  const problems = [];
  if (elf.arch !== target.arch) problems.push(`is for ${elf.arch}`);
  for (const align of elf.loadAlignments) {
    if (align % target.pageBytes !== 0) problems.push(`a segment is aligned to ${align} bytes; pages may have ${target.pageBytes}`);
  }
  if (target.noThreadLocal && elf.threadLocal) problems.push('has thread-local storage');
  for (const library of elf.needed) {
    if (!target.libraries.includes(library)) problems.push(`needs ${library}`);
  }
  return [...problems, ...exportProblems(elf.symbols), ...importProblems(elf.symbols, target, android)];
}

function exportProblems(symbols) {
  const exported = symbols.filter(({ defined }) => defined).map(({ name }) => name);
  const problems = exported.filter((name) => !entryPoints.includes(name)).map((name) => `exports ${name}`);
  return exported.includes(entryPoints[0]) ? problems : [...problems, `does not export ${entryPoints[0]}`];
}

function importProblems(symbols, target, android) {
  const fromNode = nodeSymbols();
  const problems = [];
  for (const symbol of symbols.filter(({ defined }) => !defined)) {
    const isNode = /^(napi|node_api)_/.test(symbol.name);
    if (isNode && !fromNode.has(symbol.name)) problems.push(`uses ${symbol.name}, which is not in Node-API ${nodeApi.slice(1)}`);
    if (!isNode) problems.push(...target.undefinedProblem(symbol, android));
  }
  return problems;
}

/** A symbol must be one of glibc's, of a version that the oldest supported glibc has. */
function glibcProblem({ name, weak, version }) {
  if (version === undefined) return weak ? [] : [`leaves ${name} undefined`];
  const [, number] = /^GLIBC_(\d[\d.]*)$/.exec(version) ?? [];
  if (number === undefined) return [`uses ${name} of ${version}`];
  return compareVersions(number, newestGlibc) > 0 ? [`uses ${name} of ${version}; ${newestGlibc} is the newest allowed`] : [];
}

function bionicProblem({ name }, android) {
  if (name === '__emutls_get_address') return ['emulates thread_local (__emutls_get_address)'];
  const level = android.get(name);
  if (level === undefined) return [`leaves ${name} undefined, which tools/android-symbols.txt does not list`];
  return level > oldestAndroid ? [`uses ${name}, which came with API ${level}; ${oldestAndroid} is the oldest supported`] : [];
}

/** Like strcmp, for versions such as 2.3.4 and 2.28. */
export function compareVersions(a, b) {
  const [left, right] = [a, b].map((text) => text.split('.').map(Number));
  const at = Array.from({ length: Math.max(left.length, right.length) }, (_, i) => i).find((i) => (left[i] ?? 0) !== (right[i] ?? 0));
  return at === undefined ? 0 : (left[at] ?? 0) - (right[at] ?? 0);
}

/** Ends with a list of what is wrong with `file`; says what it needs if nothing is. */
export function checkBinary(targetName, file) {
  const elf = readElf(file);
  const problems = binaryProblems(elf, targetName);
  if (problems.length > 0) fail(`${file} is not fit for ${targetName}:\n${problems.map((line) => `  ${line}`).join('\n')}`);
  const versions = elf.symbols.flatMap(({ version }) => version?.replace('GLIBC_', '') ?? []);
  const newest = versions.sort(compareVersions).at(-1);
  const needs = newest === undefined ? `Android API ${oldestAndroid}` : `glibc ${newest}`;
  progress(`${file}: ${(readFileSync(file).length / 1024).toFixed(0)} KB, needs ${needs} and Node-API ${nodeApi.slice(1)}`);
}

if (isMain(import.meta.url)) {
  const [target, ...files] = process.argv.slice(2);
  if (!(target in targets) || files.length === 0) fail(`usage: check-binary.mjs ${Object.keys(targets).join('|')} FILE...`);
  for (const file of files) checkBinary(target, file);
}
