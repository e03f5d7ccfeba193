// SPDX-License-Identifier: Apache-2.0
// Where the native addon may lie on a machine.

import { closeSync, openSync, readSync } from 'node:fs';
import path from 'node:path';

import { packageRoot } from './host.js';

/** What decides where the addon may lie; tests hand in made-up machines. */
export interface AddonSearch {
  /** Folder that holds package.json. */
  readonly root: string;
  /** Value of LLAMA_GUARD_ADDON_DIR: a folder, relative to `root`; then no other place is tried. */
  readonly overrideDir: string | undefined;
  readonly platform: string;
  readonly arch: string;
  /** Linux with musl instead of glibc. */
  readonly musl: boolean;
}

const fileName = 'llama_guard.node';

/** What this process looks for, and where. */
export function thisMachine(): AddonSearch {
  return {
    root: packageRoot(),
    overrideDir: process.env['LLAMA_GUARD_ADDON_DIR'],
    platform: process.platform,
    arch: process.arch,
    musl: process.platform === 'linux' && runsOnMusl(),
  };
}

/**
 * Whether this Node was linked against musl: its file names its dynamic loader, /lib/ld-musl-x86_64.so.1 say, in the first
 * page. Node's own report tells as well, and takes 5 ms.
 */
function runsOnMusl(): boolean {
  const head = new Uint8Array(4096);
  try {
    const file = openSync(process.execPath, 'r');
    try {
      readSync(file, head);
    } finally {
      closeSync(file);
    }
  } catch {
    return false;
  }
  return Buffer.from(head.buffer).includes('/ld-musl-');
}

/** Absolute paths at which the addon may lie, in the order in which they are tried. */
export function addonPaths(search: AddonSearch): string[] {
  if (isOverridden(search)) return [path.resolve(search.root, search.overrideDir, fileName)];
  const folders = ['build/Release', 'build-cmake/Release', `prebuilds/${targetOf(search)}`];
  return folders.map((folder) => path.join(search.root, folder, fileName));
}

/** Whether LLAMA_GUARD_ADDON_DIR names the one folder to look into. */
export function isOverridden(search: AddonSearch): search is AddonSearch & { readonly overrideDir: string } {
  return search.overrideDir !== undefined && search.overrideDir !== '';
}

/** Name of the folder with the prebuilt addon for a machine, such as linux-arm64 or linux-x64-musl. */
export function targetOf({ platform, arch, musl }: AddonSearch): string {
  return `${platform}-${arch}${musl ? '-musl' : ''}`;
}
