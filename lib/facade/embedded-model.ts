// SPDX-License-Identifier: Apache-2.0
// Where the demo model lies that comes with the package.

import path from 'node:path';

import { packageRoot } from '../native/host.js';

/** Folder of the demo model, which is used where no other is named. */
export function embeddedModel(): string {
  return path.join(packageRoot(), 'models', 'demo');
}
