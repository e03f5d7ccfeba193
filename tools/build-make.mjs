// SPDX-License-Identifier: Apache-2.0
// Builds the addons with a generated Makefile into build/Release: for machines that have neither the Python that
// node-gyp needs nor CMake. Files and flags come from native/sources.json, headers from node-api-headers.

import { createRequire } from 'node:module';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

import { findCompiler, findMake } from './check-tools.mjs';
import { isMain, run, runQuietly } from './common.mjs';
import { withLock } from './lock.mjs';
import { addons, isaDefines, isaGroups, isaSources, readSources, sanitizeFlags, underNative } from './sources.mjs';

const objects = 'build/make';

/** Rule that compiles one file with the common flags and `extra`. */
function compileRule(file, extra) {
  const object = objectOf(file);
  return `${object}: ${file}\n\t@mkdir -p $(@D)\n\t$(CXX) $(LG_FLAGS) ${extra.join(' ')} -c $< -o $@\n`;
}

function objectOf(file) {
  return `${objects}/${file}.o`;
}

/** The text of the Makefile for one architecture (Node's name of it). */
export function makefile(arch) {
  const require = createRequire(import.meta.url);
  const sources = readSources();
  const includes = ['native', require('node-api-headers').include_dir, require('node-addon-api').include_dir];
  // The third: a worker thread that is being terminated takes no exception; the whole process would end.
  const api = ['NAPI_VERSION=8', 'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS', 'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'];
  const defines = [...api, ...isaDefines(sources, arch)];
  const sanitize = sanitizeFlags();
  if (sanitize.length === 0) defines.push('NDEBUG');
  const flags = [
    ...sources.flags,
    ...sanitize,
    ...defines.map((name) => `-D${name}`),
    ...includes.map((folder) => `-I${folder.includes(' ') ? `"${folder}"` : folder}`),
    '-fPIC -pthread -MMD -MP',
  ];
  const link = process.platform === 'darwin' ? '-bundle -undefined dynamic_lookup' : '-shared -Wl,--version-script=native/exports.map';
  const core = underNative(sources.core);
  const rules = core.map((file) => compileRule(file, []));
  const shared = [...core];
  for (const name of isaGroups(sources, arch)) {
    const files = isaSources(sources, name, arch);
    shared.push(...files);
    rules.push(...files.map((file) => compileRule(file, sources.isa[name].flags)));
  }
  const outputs = [];
  for (const [name, list] of addons(sources)) {
    const own = underNative(list);
    rules.push(...own.map((file) => compileRule(file, [`-DNODE_GYP_MODULE_NAME=${name}`])));
    const output = `build/Release/${name}.node`;
    outputs.push(output);
    const inputs = [...own, ...shared].map(objectOf).join(' ');
    rules.push(`${output}: ${inputs}\n\t@mkdir -p $(@D)\n\t$(CXX) ${link} -pthread ${sanitize.join(' ')} $^ -o $@\n`);
  }
  return `LG_FLAGS := ${flags.join(' ')}\n\nall: ${outputs.join(' ')}\n\n${rules.join('\n')}\n-include $(shell find ${objects} -name '*.d' 2>/dev/null)\n`;
}

export function buildWithMake({ quiet = false } = {}) {
  mkdirSync('build', { recursive: true });
  writeFileSync('build/native.mk', makefile(process.arch));
  const args = ['-f', 'build/native.mk', `-j${availableParallelism()}`, `CXX=${findCompiler()}`, 'all'];
  (quiet ? runQuietly : run)(findMake(), args, { what: 'The build by make' });
}

if (isMain(import.meta.url)) withLock(() => buildWithMake());
