// SPDX-License-Identifier: Apache-2.0
// Loads the native addon: the only place of lib/ that does. Every place that was tried is kept, so that the error of a
// failed load tells the whole story.

import { existsSync } from 'node:fs';

import { LlamaGuardError } from '../errors/index.js';
import { type AddonSearch, addonPaths, thisMachine } from './addon-search.js';
import type { NativeAddon } from './addon.js';
import type { Attempt } from './explain-failure.js';
import { loadAddon as requireAddon } from './host.js';

let cached: NativeAddon | undefined;
let cachedFrom: string | undefined;

/**
 * The native addon, loaded once per thread.
 *
 * @throws {ERR_LLAMA_GUARD_NO_BINARY} with each path tried, why it failed, and what to do about it.
 */
export function loadAddon(): NativeAddon {
  cached ??= loadFirst(thisMachine(), requireFrom) as NativeAddon;
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

/** Loads the first of the paths of `search` that loads; throws one error that explains every failure. */
export function loadFirst(search: AddonSearch, load: (file: string) => unknown): unknown {
  const attempts: Attempt[] = [];
  let cause: unknown;
  for (const file of addonPaths(search)) {
    if (!existsSync(file)) {
      attempts.push({ file, failure: undefined });
      continue;
    }
    try {
      return load(file);
    } catch (error) {
      cause = error;
      attempts.push({ file, failure: error instanceof Error ? error.message : String(error) });
    }
  }
  // Loaded on demand.
  const { explainFailure } = require('./explain-failure.js') as typeof import('./explain-failure.js');
  throw new LlamaGuardError('ERR_LLAMA_GUARD_NO_BINARY', explainFailure(search, attempts), { cause });
}
