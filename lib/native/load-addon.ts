// SPDX-License-Identifier: Apache-2.0
// Finds and loads the native addon: the only place of lib/ that does. Every place that was tried is kept, so that
// the error of a failed load tells the whole story.

import { existsSync } from 'node:fs';
import path from 'node:path';

import { LlamaGuardError } from '../errors/index.js';
import type { NativeAddon } from './addon.js';
import { loadAddon as requireAddon, packageRoot } from './host.cjs';

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
let cached: NativeAddon | undefined;
let cachedFrom: string | undefined;

/**
 * The native addon, loaded once per thread.
 *
 * @throws {ERR_LLAMA_GUARD_NO_BINARY} with each path tried and why it failed.
 */
export function loadAddon(): NativeAddon {
  cached ??= loadFirst(addonPaths(thisMachine()), requireFrom) as NativeAddon;
  return cached;
}

/** Path of the addon that loadAddon() gave; undefined before. */
export function loadedFrom(): string | undefined {
  return cachedFrom;
}

function requireFrom(file: string): unknown {
  const addon = requireAddon(file);
  cachedFrom = file;
  return addon;
}

/** Absolute paths at which the addon may lie, in the order in which they are tried. */
export function addonPaths(search: AddonSearch): string[] {
  if (search.overrideDir !== undefined && search.overrideDir !== '') {
    return [path.resolve(search.root, search.overrideDir, fileName)];
  }
  const libc = search.musl ? '-musl' : '';
  const folders = ['build/Release', 'build-cmake/Release', `prebuilds/${search.platform}-${search.arch}${libc}`];
  return folders.map((folder) => path.join(search.root, folder, fileName));
}

/** Loads the first of `paths` that loads; throws one error that lists every failure. */
export function loadFirst(paths: readonly string[], load: (file: string) => unknown): unknown {
  const failures: string[] = [];
  let cause: unknown;
  for (const file of paths) {
    if (!existsSync(file)) {
      failures.push(`${file}: no such file`);
      continue;
    }
    try {
      return load(file);
    } catch (error) {
      cause = error;
      failures.push(`${file}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const machine = `${process.platform}-${process.arch}, Node ${process.version}`;
  const message = `The native addon could not be loaded (${machine}). Tried:\n  ${failures.join('\n  ')}`;
  throw new LlamaGuardError('ERR_LLAMA_GUARD_NO_BINARY', message, { cause });
}

function thisMachine(): AddonSearch {
  return {
    root: packageRoot(),
    overrideDir: process.env['LLAMA_GUARD_ADDON_DIR'],
    platform: process.platform,
    arch: process.arch,
    musl: process.platform === 'linux' && !runsOnGlibc(),
  };
}

/** The report names the C library only where it is glibc. */
function runsOnGlibc(): boolean {
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime !== undefined;
}
