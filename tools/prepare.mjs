// SPDX-License-Identifier: Apache-2.0
// Brings a clone to where it can run: checks the tools, installs packages, compiles. `npm start` and `npm test` call
// it first; each step is skipped while its inputs are the same. Alone: `node tools/prepare.mjs [install] [native] [ts]`.

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { buildWithCmake } from './build-cmake.mjs';
import { buildWithGyp, localHeaders } from './build-gyp.mjs';
import { buildWithMake } from './build-make.mjs';
import { buildTypeScript } from './build-ts.mjs';
import { hasCmake, hasPython, requireNativeTools, requireNode } from './check-tools.mjs';
import { contentHash, filesUnder, isCurrent, isMain, progress, readOr, run, writeStamp } from './common.mjs';
import { withLock } from './lock.mjs';
import { addons, readSources } from './sources.mjs';

const lockFile = 'package-lock.json';

/** Packages that compiling takes; the rest of the development packages are for tests. */
const buildPackages = ['cmake-js', 'node-addon-api', 'node-api-headers', 'node-gyp'];

/** Runs npm ci when an installed package is missing or of another version than the lock says. */
export function installPackages() {
  if (!existsSync(lockFile)) return installBuildPackages();
  if (packagesMatchLock()) return;
  progress('Installing packages (npm ci)');
  npm(['ci', '--include=dev']);
}

/** npm packs no lock file: where this package was installed, only what compiles the addon is wanted, and fetched. */
function installBuildPackages() {
  if (buildPackages.every((name) => existsSync(path.join('node_modules', name)))) return;
  progress(`Installing ${buildPackages.join(', ')}`);
  const { devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
  const wanted = buildPackages.map((name) => `${name}@${devDependencies[name]}`);
  // package.json has them among what --omit=dev leaves out; --save-prod counts them as wanted, and nothing is saved.
  npm(['install', '--no-save', '--no-package-lock', '--omit=dev', '--save-prod', ...wanted]);
}

function npm(args) {
  const file = process.env.npm_execpath;
  const [program, first] = file?.endsWith('npm-cli.js') ? [process.execPath, [file]] : ['npm', []];
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  run(program, [...first, ...args, ...options], { what: 'Installing packages' });
}

function packagesMatchLock() {
  const wanted = JSON.parse(readFileSync(lockFile, 'utf8')).packages;
  const installed = JSON.parse(readOr('node_modules/.package-lock.json', '{}')).packages;
  if (installed === undefined) return false;
  return Object.entries(wanted).every(([folder, entry]) => {
    return folder === '' || entry.optional === true || installed[folder]?.version === entry.version;
  });
}

/** Compiles the addons into build/Release with the first tool that this machine has all parts of. */
export function buildNative() {
  const sources = filesUnder(['native']).filter((file) => !file.endsWith('.md'));
  const inputs = [...sources, 'binding.gyp', 'CMakeLists.txt', 'node_modules/node-addon-api/package.json'];
  const hash = contentHash(inputs, { platform: process.platform, arch: process.arch, sanitize: process.env.LG_SANITIZE, compiler: process.env.CXX });
  const outputs = addons(readSources()).map(([name]) => path.join('build/Release', `${name}.node`));
  const stamp = 'build/stamps/native';
  if (isCurrent(stamp, hash, outputs)) return;
  requireNativeTools();
  const [name, build] = nativeTool();
  progress(`Compiling the native addon (${name})`);
  build({ quiet: true });
  writeStamp(stamp, hash);
}

/**
 * None of the three downloads anything here: node-gyp is taken only where Node's headers are installed, under a path
 * without white space, which its makefiles cannot hold.
 */
function nativeTool() {
  const headers = localHeaders();
  if (headers !== undefined && !/\s/.test(headers) && hasPython()) return ['node-gyp', buildWithGyp];
  if (hasCmake()) return ['cmake-js', (options) => buildWithCmake({ ...options, out: 'build' })];
  return ['make', buildWithMake];
}

/** Does all that `npm start` (outputs: package) and `npm test` (all outputs) need before they run. */
export function prepare({ native = true, outputs }) {
  requireNode();
  withLock(() => {
    installPackages();
    if (native) buildNative();
    buildTypeScript(outputs);
  });
}

if (isMain(import.meta.url)) {
  const steps = process.argv.slice(2);
  const all = steps.length === 0;
  requireNode();
  withLock(() => {
    installPackages();
    if (all || steps.includes('native')) buildNative();
    if (all || steps.includes('ts')) buildTypeScript(['package']);
  });
}
