// SPDX-License-Identifier: Apache-2.0
// Builds the addons with node-gyp into build/Release. Arguments are passed on (`--arch=arm64`).
// Node's headers beside the running node are used if they are there; otherwise node-gyp fetches them as it always does.

import { existsSync } from 'node:fs';
import path from 'node:path';

import { isMain, runPackage } from './common.mjs';
import { withLock } from './lock.mjs';

/** The folder whose include/node holds the headers of the running node, or undefined. */
export function localHeaders() {
  const prefix = path.resolve(path.dirname(process.execPath), '..');
  return existsSync(path.join(prefix, 'include/node/node_api.h')) ? prefix : undefined;
}

export function buildWithGyp({ args = [], quiet = false, env = process.env } = {}) {
  const nodedir = localHeaders();
  const headers = nodedir === undefined ? [] : [`--nodedir=${nodedir}`];
  const command = ['configure', 'build', '--jobs=max', '--loglevel=warn', ...headers, ...args];
  runPackage('node-gyp', command, { what: 'The build by node-gyp', quiet, env });
}

if (isMain(import.meta.url)) withLock(() => buildWithGyp({ args: process.argv.slice(2) }));
