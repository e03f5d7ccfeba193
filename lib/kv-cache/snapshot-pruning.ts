// SPDX-License-Identifier: Apache-2.0
// Keeps a folder of snapshots within its limits, least recently used first, and removes what writers that died left
// behind. Files of other names are never touched.

import { lstat, opendir, rm } from 'node:fs/promises';
import path from 'node:path';

import { snapshotKind } from './snapshot-file.js';

export interface SnapshotLimits {
  readonly maxFiles: number;
  readonly maxBytes: number;
}

interface Found {
  readonly file: string;
  readonly bytes: number;
  readonly modifiedMs: number;
  readonly partial: boolean;
}

/** A writer that has not finished by then never will. */
const partialLifeMs = 60 * 60 * 1000;

/**
 * Removes snapshots until the folder is within its limits.
 * @param kept name of the one that was written just now: counts as the latest
 */
export async function pruneSnapshots(folder: string, kept: string, limits: SnapshotLimits): Promise<void> {
  const all = await list(folder);
  const doomed = all.filter((found) => found.partial && found.modifiedMs < Date.now() - partialLifeMs);
  const rank = ({ file, modifiedMs }: Found): number => (path.basename(file) === kept ? Infinity : modifiedMs);
  const snapshots = all.filter((found) => !found.partial).sort((a, b) => (rank(a) < rank(b) ? 1 : -1));
  let bytes = 0;
  snapshots.forEach((found, index) => {
    bytes += found.bytes;
    if (index >= limits.maxFiles || bytes > limits.maxBytes) doomed.push(found);
  });
  // Windows refuses to remove a file that some process has mapped; it goes another time.
  for (const { file } of doomed) await rm(file, { force: true }).catch(() => undefined);
}

async function list(folder: string): Promise<Found[]> {
  const all: Found[] = [];
  for await (const { name } of await opendir(folder)) {
    const kind = snapshotKind(name);
    if (kind === undefined) continue;
    const file = path.join(folder, name);
    // Another process may have removed it since.
    const stats = await lstat(file).catch(() => undefined);
    if (!stats?.isFile()) continue;
    all.push({ file, bytes: stats.size, modifiedMs: stats.mtimeMs, partial: kind === 'partial' });
  }
  return all;
}
