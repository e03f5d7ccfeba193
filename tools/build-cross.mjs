// SPDX-License-Identifier: Apache-2.0
// `npm run build:linux-arm64` and `npm run build:android-arm64`: compiles for another machine, with cmake-js into
// build-TARGET/Release. `-- --tool gyp` takes node-gyp instead (linux-arm64 only), into build-TARGET-gyp/build/Release.
// `-- --sysroot DIR` builds for Android with the system's clang and lld against a copy of Android's C library.

import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { buildWithCmake } from './build-cmake.mjs';
import { buildWithGyp } from './build-gyp.mjs';
import { checkBinary } from './check-binary.mjs';
import { fail, isMain, root } from './common.mjs';
import { withLock } from './lock.mjs';
import { buildTarget } from './targets.mjs';

/** Ends with a message where the target cannot be built here. */
export function requireTarget(name, options) {
  const { missing, ...target } = buildTarget(name, options);
  return missing === undefined ? target : fail(missing);
}

/**
 * The addon as it goes into a package: stripped, its C++ library inside, and checked. Returns the file. What the build
 * for trying out has compiled already is linked once more.
 */
export function buildPrebuilt(name, { out, args }, { quiet = false } = {}) {
  buildWithCmake({ out, args: [...args, '--target', 'llama_guard_prebuilt'], quiet });
  const file = path.join(out, 'Release/llama_guard_prebuilt.node');
  checkBinary(name, file);
  return file;
}

/** node-gyp always builds into the folder `build` beside binding.gyp: here that is a folder of links to the sources. */
function crossWithGyp(name) {
  const folder = `build-${name}-gyp`;
  mkdirSync(folder, { recursive: true });
  for (const entry of ['binding.gyp', 'native', 'node_modules', 'package.json', 'tools']) {
    if (!existsSync(path.join(folder, entry))) symlinkSync(path.join(root, entry), path.join(folder, entry));
  }
  const prefix = 'aarch64-linux-gnu-';
  const env = { ...process.env, CC: `${prefix}gcc`, CXX: `${prefix}g++`, AR: `${prefix}ar`, LINK: `${prefix}g++` };
  buildWithGyp({ args: ['--arch=arm64', `--directory=${folder}`], env });
}

if (isMain(import.meta.url)) {
  const options = { tool: { type: 'string', default: 'cmake' }, sysroot: { type: 'string' } };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [name] = positionals;
  const target = requireTarget(name, { sysroot: values.sysroot });
  if (values.tool === 'cmake') {
    withLock(() => (name.startsWith('android') ? buildPrebuilt(name, target) : buildWithCmake(target)));
  } else if (values.tool === 'gyp' && name === 'linux-arm64') {
    withLock(() => crossWithGyp(name));
  } else {
    fail(`--tool ${values.tool} does not build ${name}; cmake does`);
  }
}
