// SPDX-License-Identifier: Apache-2.0
// Builds the addons with cmake-js, by default into build-cmake/Release; the headers come from node-api-headers, so
// nothing is downloaded. Arguments are passed on (`-O other-folder --CDLG_SANITIZE=address`).

import { isMain, runPackage } from './common.mjs';
import { withLock } from './lock.mjs';

export function buildWithCmake({ out = 'build-cmake', args = [], quiet = false, env = process.env } = {}) {
  const command = ['compile', '--log-level', 'warn', '-O', out, ...args];
  runPackage('cmake-js', command, { what: 'The build by cmake-js', quiet, env });
}

if (isMain(import.meta.url)) {
  const args = process.argv.slice(2);
  const at = args.findIndex((arg) => arg === '-O' || arg === '--out');
  const [, out] = at < 0 ? [] : args.splice(at, 2);
  withLock(() => buildWithCmake({ out, args }));
}
