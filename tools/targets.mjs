// SPDX-License-Identifier: Apache-2.0
// How to compile for each machine that the package brings a binary for. tools/build-cross.mjs builds one for trying it
// out, tools/prebuild.mjs those that go into the package.

import { existsSync } from 'node:fs';
import path from 'node:path';

import { root, works } from './common.mjs';

const toolchain = (file) => `--CDCMAKE_TOOLCHAIN_FILE=${path.join(root, 'tools/cmake', file)}`;

/** Android API level, page size and C++ library of the Android build; docs/building.md gives the reasons. */
const android = [
  '--CDANDROID_ABI=arm64-v8a',
  '--CDANDROID_PLATFORM=android-24',
  '--CDANDROID_STL=c++_static',
  '--CDANDROID_SUPPORT_FLEXIBLE_PAGE_SIZES=ON',
  // Node's functions come from the program that loads the addon; tools/check-binary.mjs looks at all the others.
  '--CDANDROID_ALLOW_UNDEFINED_SYMBOLS=TRUE',
];

const noNdk = `No Android NDK was found: neither ANDROID_NDK_HOME nor ANDROID_NDK_ROOT names a folder with one. To get it
  with Android's command line tools:  sdkmanager "ndk;28.2.13676358"
                                      export ANDROID_NDK_HOME=$ANDROID_HOME/ndk/28.2.13676358
  as an archive:                      https://developer.android.com/ndk/downloads
On the phone itself, in Termux, none is needed:  pkg install nodejs clang make python && npm run build
With a copy of Android's C library and headers:  npm run build:android-arm64 -- --sysroot DIR`;

/**
 * The build folder of a target, and the arguments that cmake-js needs for it; `missing` instead where something has
 * to be installed first. `sysroot`: folder with Android's C library, instead of an NDK.
 */
export function buildTarget(name, { sysroot, env = process.env } = {}) {
  const out = `build-${name}`;
  if (name === `${process.platform}-${process.arch}`) return { out: 'build-cmake', args: [] };
  if (name === 'linux-arm64') {
    if (!works('aarch64-linux-gnu-g++', ['--version'])) {
      return { missing: 'aarch64-linux-gnu-g++ was not found: sudo apt install g++-aarch64-linux-gnu libc6-dev-arm64-cross' };
    }
    return { out, args: ['--arch', 'arm64', toolchain('aarch64-linux-gnu.cmake')] };
  }
  if (name === 'android-arm64') {
    const args = sysroot === undefined ? ndkArguments(env) : sysrootArguments(sysroot, env);
    return typeof args === 'string' ? { missing: args } : { out, args: ['--arch', 'arm64', ...args] };
  }
  return { missing: `${name} can only be built on such a machine, with \`npm run build\`` };
}

/** Arguments for cmake-js, or what is missing. */
function ndkArguments({ ANDROID_NDK_HOME, ANDROID_NDK_ROOT }) {
  const ndks = [ANDROID_NDK_HOME, ANDROID_NDK_ROOT].filter(Boolean);
  const files = ndks.map((ndk) => path.join(ndk, 'build/cmake/android.toolchain.cmake'));
  const file = files.find((candidate) => existsSync(candidate));
  return file === undefined ? noNdk : [`--CDCMAKE_TOOLCHAIN_FILE=${file}`, ...android];
}

function sysrootArguments(sysroot, { CXX }) {
  const folder = path.resolve(sysroot);
  if (!existsSync(path.join(folder, 'usr/include'))) return `${folder} is no sysroot: it has no usr/include`;
  const names = CXX ? [CXX] : ['clang++', 'clang++-19', 'clang++-16', 'clang++-14'];
  const flags = ['--target=aarch64-linux-android24', '-fuse-ld=lld', '-nostdlib', '-shared', '-o', '/dev/null', '-x', 'c++', '-'];
  const compiler = names.find((name) => works(name, flags));
  if (compiler === undefined) return `clang with lld was not found (tried: ${names.join(', ')}): sudo apt install clang lld`;
  return [toolchain('android-sysroot.cmake'), `--CDLG_SYSROOT=${folder}`, `--CDLG_CLANG=${compiler}`];
}
