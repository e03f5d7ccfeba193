// SPDX-License-Identifier: Apache-2.0
// Looks for what a build needs and, if something is missing, ends with one message that names the package to install.

import { fail, works } from './common.mjs';

export const oldestNode = 20;

const packages = {
  node: { Debian: 'nodejs', Fedora: 'nodejs', Termux: 'nodejs-lts', macOS: 'node (brew install node)' },
  compiler: { Debian: 'g++', Fedora: 'gcc-c++', Termux: 'clang', macOS: 'the command line tools (xcode-select --install)' },
  make: { Debian: 'make', Fedora: 'make', Termux: 'make', macOS: 'the command line tools (xcode-select --install)' },
};

/** What to type on each system to get `tool`. */
export function installHint(tool) {
  const { Debian, Fedora, Termux, macOS } = packages[tool];
  return [
    `  Debian, Ubuntu:  sudo apt install ${Debian}`,
    `  Fedora:          sudo dnf install ${Fedora}`,
    `  Termux:          pkg install ${Termux}`,
    `  macOS:           ${macOS}`,
  ].join('\n');
}

export function requireNode() {
  if (Number.parseInt(process.versions.node, 10) >= oldestNode) return;
  fail(
    `Node ${oldestNode} or later is needed; this is ${process.version}. Install it:\n${installHint('node')}\n` +
      'Where the package is older than that, take Node from https://nodejs.org.',
  );
}

/** Ends with a message unless a C++17 compiler and make are there. */
export function requireNativeTools() {
  if (findCompiler() === undefined) {
    const tried = compilerNames().join(', ');
    fail(`No compiler for C++17 was found (tried: ${tried}). Install one:\n${installHint('compiler')}`);
  }
  if (findMake() === undefined) fail(`make was not found. Install it:\n${installHint('make')}`);
}

function compilerNames() {
  return process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++'];
}

/** The first compiler that takes C++17. */
export function findCompiler() {
  const program = '#include <optional>\n#if __cplusplus < 201703L\n#error too old\n#endif\n';
  return compilerNames().find((name) => works(name, ['-std=c++17', '-fsyntax-only', '-x', 'c++', '-'], program));
}

export function findMake() {
  return ['make', 'gmake'].find((name) => works(name, ['--version']));
}

/** Whether node-gyp will find a Python that it can use. */
export function hasPython() {
  const names = process.env.PYTHON ? [process.env.PYTHON] : ['python3', 'python'];
  return names.some((name) => works(name, ['-c', 'import sys; sys.exit(sys.version_info < (3, 8))']));
}

/** Whether there is a CMake that can read JSON. */
export function hasCmake() {
  return works('cmake', ['-P', 'tools/cmake/at-least-3.19.cmake']);
}
