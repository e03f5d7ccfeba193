// SPDX-License-Identifier: Apache-2.0
// A model without arithmetic for tests of the snapshot store: keys and values are bytes made from the tokens, and
// mapping a file reads them from it.

import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import path from 'node:path';

import { fromFileSystem } from '../../lib/errors/index.js';
import { SnapshotStore, type SnapshotStoreOptions } from '../../lib/kv-cache/snapshot-store.js';
import type { NativeSequence } from '../../lib/native/addon.js';

/** This module, for processes that a test starts. */
export const supportModule = import.meta.url;

/** Tokens with the smallest and the largest id. */
export const tokens = Uint32Array.of(128000, 7, 4294967295, 0, 9);

export const segmentTokens = 4;
/** Makes segments of 40 bytes, so that nothing but padding puts them on a 64-byte boundary. */
export const bytesPerToken = 10;
export const segmentBytes = segmentTokens * bytesPerToken;

/** What the fake model would export for these tokens: [segments][segmentBytes]. */
export function fakeKv(tokens: Uint32Array): Uint8Array {
  const segments = Math.ceil(tokens.length / segmentTokens);
  const sum = tokens.reduce((total, token) => (Math.imul(total, 31) + token) >>> 0, 7);
  return Uint8Array.from({ length: segments * segmentBytes }, (_, i) => (sum >>> (8 * (i & 3))) + 13 * i);
}

/** A sequence whose keys and values were read from a file. */
export class FakeMapped implements NativeSequence {
  readonly kvBytes = 0;
  disposed = false;

  constructor(
    readonly length: number,
    readonly kv: Uint8Array,
    readonly path: string,
  ) {}

  fork(length: number): NativeSequence {
    return new FakeMapped(length, this.kv, this.path);
  }

  exportKv(): Uint8Array {
    return this.kv;
  }

  truncate(): never {
    throw new Error('not used');
  }

  dispose(): void {
    this.disposed = true;
  }
}

export const fakeModel = {
  kvSegmentTokens: segmentTokens,
  kvBytesPerToken: bytesPerToken,
  mapSequence(file: string, offset: number, length: number): NativeSequence {
    if (offset % 64 !== 0) throw new Error(`${offset} is no multiple of 64`);
    const kv = new Uint8Array(Math.ceil(length / segmentTokens) * segmentBytes);
    try {
      const descriptor = openSync(file, 'r');
      const bytes = readSync(descriptor, kv, 0, kv.length, offset);
      closeSync(descriptor);
      if (bytes === kv.length) return new FakeMapped(length, kv, file);
    } catch (error) {
      throw fromFileSystem(error, file, 'reading');
    }
    throw new Error(`${file} is too short`);
  },
};

/** A store over the fake model, with what it warned of. Its user's cache folder is `<modelFolder>.cache`. */
export function fakeStore(modelFolder: string, options: Partial<SnapshotStoreOptions> = {}) {
  const warnings: string[] = [];
  const store = new SnapshotStore({
    model: fakeModel,
    modelFolder,
    modelKey: 'a'.repeat(64),
    env: cacheEnvironment(`${modelFolder}.cache`),
    onWarning: (message) => warnings.push(message),
    ...options,
  });
  return { store, warnings };
}

/** A model folder and the one snapshot in it. */
export interface SavedSnapshot {
  readonly folder: string;
  readonly file: string;
}

/** Saves a snapshot of these tokens beside a model that has none yet. */
export async function saveSnapshot(folder: string, tokens: Uint32Array): Promise<SavedSnapshot> {
  await fakeStore(folder).store.save(tokens, fakeKv(tokens));
  const [name = 'none was written'] = readdirSync(path.join(folder, 'snapshots'));
  return { folder, file: path.join(folder, 'snapshots', name) };
}

/** Environment of a user with that home folder, and the cache folder within it on this platform. */
export function cacheEnvironment(home: string): Record<string, string> {
  const cache = path.resolve(home, 'cache');
  return { HOME: path.resolve(home), XDG_CACHE_HOME: cache, LOCALAPPDATA: cache };
}
