// SPDX-License-Identifier: Apache-2.0
// Compiles TypeScript with tsc: `esm` and `cjs` are the package's two outputs, `test` is everything that mocha runs.
// An output is left alone while its sources are the same. Arguments: the outputs wanted; none means esm and cjs.

import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';

import { contentHash, filesUnder, isCurrent, isMain, progress, runPackage, writeStamp } from './common.mjs';
import { withLock } from './lock.mjs';

const outputs = {
  esm: { config: 'tsconfig.json', out: 'dist/esm', sources: ['lib'], sourceRoot: 'lib' },
  cjs: { config: 'tsconfig.cjs.json', out: 'dist/cjs', sources: ['lib'], sourceRoot: 'lib' },
  test: { config: 'tsconfig.test.json', out: 'build/js', sources: ['lib', 'test', 'bench'], sourceRoot: '.' },
};

/** Brings the named outputs up to date. */
export function buildTypeScript(names) {
  for (const name of names) {
    const { config, out, sources, sourceRoot } = outputs[name];
    const hash = contentHash([...sources, 'tsconfig.json', config, 'node_modules/typescript/package.json']);
    const stamp = `build/stamps/ts-${name}`;
    if (isCurrent(stamp, hash, [out])) continue;
    progress(`Compiling TypeScript (${out})`);
    runPackage('typescript', ['-p', config], { what: 'Compiling TypeScript', command: 'tsc' });
    removeOrphans(out, sourceRoot);
    if (name === 'cjs') markCommonJs(out);
    writeStamp(stamp, hash);
  }
}

/** tsc leaves the output of a deleted source behind, which mocha would still run. */
function removeOrphans(out, sourceRoot) {
  for (const file of filesUnder([out])) {
    const match = /^(.*)\.([cm]?)js$/.exec(file);
    if (match === null) continue;
    const source = `${sourceRoot}${match[1].slice(out.length)}.${match[2]}ts`;
    if (!existsSync(source)) rmSync(file);
  }
}

function markCommonJs(out) {
  mkdirSync(out, { recursive: true });
  writeFileSync(`${out}/package.json`, '{"type":"commonjs"}\n');
}

if (isMain(import.meta.url)) {
  const wanted = process.argv.slice(2);
  withLock(() => buildTypeScript(wanted.length > 0 ? wanted : ['esm', 'cjs']));
}
