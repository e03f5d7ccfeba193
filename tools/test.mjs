// SPDX-License-Identifier: Apache-2.0
// `npm test`: prepares the clone, then runs mocha. Arguments go to mocha (`--grep x`); a test/....test.ts among them
// limits the run to that file. `--build cmake` runs the same tests on the build by cmake-js, `--build sanitize` on
// one with AddressSanitizer and UndefinedBehaviorSanitizer. `--emulate` runs only what this CPU needs the emulator of the
// kernel lab for, with it.

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
    LLAMA_GUARD_TEST_RUNS: '0.25',
  };
}

/** Takes an option with `count` values out of the arguments; the values, or undefined. */
function take(args, option, count) {
  const at = args.indexOf(option);
  return at < 0 ? undefined : args.splice(at, 1 + count).slice(1);
}

const args = process.argv.slice(2);
const kind = take(args, '--build', 1)?.[0];
const emulate = take(args, '--emulate', 0) !== undefined;
prepare({ native: kind === undefined, outputs: ['package', 'test'] });
const env = kind === undefined ? {} : otherBuild(kind);
if (emulate) {
  env.LLAMA_GUARD_TEST_EMULATE = '1';
  // An instruction set that was asked for counts as well, so that the run fails where it cannot be emulated.
  args.push('--grep', '\\(emulated\\)|as asked for', '--timeout', '600000');
}

const compiled = (file) => `build/js/${file.replace(/\.ts$/, '.js')}`;
const specs = args.filter((arg) => arg.endsWith('.test.ts')).map(compiled);
const options = args.filter((arg) => !arg.endsWith('.test.ts'));
const all = emulate ? 'build/js/test/native/**/*.test.js' : 'build/js/test/**/*.test.js';
const mocha = ['node_modules/mocha/bin/mocha.js', ...options, ...(specs.length > 0 ? specs : [all])];
const { status } = spawnSync(process.execPath, mocha, { stdio: 'inherit', env: { ...process.env, ...env } });
process.exitCode = status ?? 1;
