// SPDX-License-Identifier: Apache-2.0
// Compiles TypeScript with tsc: `package` is what users load, `test` is everything that mocha runs. An output is left
// alone while its sources are the same. Arguments: the outputs wanted; none means `package`.

import { copyFileSync, rmSync } from 'node:fs';

import { contentHash, isCurrent, isMain, progress, runPackage, writeStamp } from './common.mjs';
import { withLock } from './lock.mjs';

const outputs = {
  package: { config: 'tsconfig.json', out: 'dist', lib: 'dist', sources: ['lib'] },
  test: { config: 'tsconfig.test.json', out: 'build/js', lib: 'build/js/lib', sources: ['lib', 'test', 'bench'] },
};

/** Brings the named outputs up to date. */
export function buildTypeScript(names) {
  for (const name of names) {
    const { config, out, lib, sources } = outputs[name];
    const hash = contentHash([...sources, 'tsconfig.json', config, 'node_modules/typescript/package.json']);
    const stamp = `build/stamps/ts-${name}`;
    if (isCurrent(stamp, hash, [out])) continue;
    progress(`Compiling TypeScript (${out})`);
    // tsc would leave the output of a deleted source behind, which mocha would still run and npm would pack.
    rmSync(out, { recursive: true, force: true });
    runPackage('typescript', ['-p', config], { what: 'Compiling TypeScript', command: 'tsc' });
    // Says that the modules of lib/ are CommonJS.
    copyFileSync('lib/package.json', `${lib}/package.json`);
    writeStamp(stamp, hash);
  }
}

if (isMain(import.meta.url)) {
  const wanted = process.argv.slice(2);
  withLock(() => buildTypeScript(wanted.length > 0 ? wanted : ['package']));
}
