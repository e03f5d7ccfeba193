// SPDX-License-Identifier: Apache-2.0
// The version of this package, as its package.json says.

import { readFileSync } from 'node:fs';
import path from 'node:path';

import { packageRoot } from './host.js';

let version: string | undefined;

export function packageVersion(): string {
  version ??= (JSON.parse(readFileSync(path.join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version;
  return version;
}
