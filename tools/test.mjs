// SPDX-License-Identifier: Apache-2.0
// `npm test`: prepares the clone, then runs mocha. Arguments go to mocha (`--grep x`); a test/....test.ts among them
// limits the run to that file. `--build cmake` runs the same tests on the build by cmake-js, `--build sanitize` on
// one with AddressSanitizer and UndefinedBehaviorSanitizer.

import { execFileSync, spawnSync } from 'node:child_process';

import { buildWithCmake } from './build-cmake.mjs';
import { findCompiler } from './check-tools.mjs';
import { fail, progress } from './common.mjs';
import { withLock } from './lock.mjs';
import { prepare } from './prepare.mjs';

const sanitizers = 'address,undefined';

/** Builds what `--build` names and returns the environment in which tests use it. */
function otherBuild(kind) {
  if (kind === 'cmake') {
    progress('Compiling the native addon (cmake-js)');
    withLock(() => buildWithCmake({ quiet: true }));
    return { LLAMA_GUARD_ADDON_DIR: 'build-cmake/Release' };
  }
  if (kind !== 'sanitize') fail(`--build takes cmake or sanitize, not ${kind}`);
  progress(`Compiling the native addon (cmake-js, ${sanitizers})`);
  const env = { ...process.env, LG_SANITIZE: sanitizers };
  withLock(() => buildWithCmake({ out: 'build-sanitize', quiet: true, env }));
  return {
    LLAMA_GUARD_ADDON_DIR: 'build-sanitize/Release',
    LD_PRELOAD: execFileSync(findCompiler(), ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim(),
    // Node itself keeps memory until it ends.
    ASAN_OPTIONS: 'detect_leaks=0',
    UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
  };
}

const args = process.argv.slice(2);
const at = args.indexOf('--build');
const [, kind] = at < 0 ? [] : args.splice(at, 2);
prepare({ native: kind === undefined, outputs: ['esm', 'cjs', 'test'] });
const env = kind === undefined ? {} : otherBuild(kind);

const compiled = (file) => `build/js/${file.replace(/\.ts$/, '.js')}`;
const specs = args.filter((arg) => arg.endsWith('.test.ts')).map(compiled);
const options = args.filter((arg) => !arg.endsWith('.test.ts'));
const mocha = ['node_modules/mocha/bin/mocha.js', ...options, ...(specs.length > 0 ? specs : ['build/js/test/**/*.test.js'])];
const { status } = spawnSync(process.execPath, mocha, { stdio: 'inherit', env: { ...process.env, ...env } });
process.exitCode = status ?? 1;
