// SPDX-License-Identifier: Apache-2.0
// What the package knows about itself: its version, and where its embedded model lies.

import { readFileSync } from 'node:fs';
import path from 'node:path';

import { packageRoot } from '../native/host.cjs';

export function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(path.join(packageRoot(), 'package.json'), 'utf8')) as { version: string };
  return manifest.version;
}

/** Folder of the demo model, which is used where no other is named. */
export function embeddedModel(): string {
  return path.join(packageRoot(), 'models', 'demo');
}
