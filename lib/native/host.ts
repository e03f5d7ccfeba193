// SPDX-License-Identifier: Apache-2.0
// Where the package lies and how a .node file is loaded.

import { readFileSync } from 'node:fs';
import path from 'node:path';

const packageName = 'llama-guard-int4';

/** Folder that holds this package's package.json, found upwards from this file wherever it was copied. */
export function packageRoot(): string {
  for (let folder = __dirname; ; folder = path.dirname(folder)) {
    if (isPackageRoot(folder)) return folder;
    // Bundled into another package: the addon can then only lie beside the bundle.
    if (folder === path.dirname(folder)) return __dirname;
  }
}

/** Loads a .node file by its absolute path; throws what Node throws. */
export function loadAddon(file: string): unknown {
  return require(file) as unknown;
}

function isPackageRoot(folder: string): boolean {
  try {
    const manifest = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as { name?: unknown };
    return manifest.name === packageName;
  } catch {
    return false;
  }
}
