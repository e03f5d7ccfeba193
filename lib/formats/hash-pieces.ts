// SPDX-License-Identifier: Apache-2.0
// Hashing of many bytes in pieces, so that the event loop gets its turn in between.

import type { Hash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';

import type { RegularFile } from './regular-file.js';

/** At 250 MB/s, slow for SHA-256 on any CPU, a piece holds the event loop for two milliseconds. */
const pieceBytes = 1 << 19;

/** Feeds the bytes from `begin` up to but not `end` of a file to a hash. Throws what `readRange` throws. */
export async function hashRange(hash: Hash, file: RegularFile, begin: number, end: number): Promise<void> {
  const piece = new Uint8Array(Math.min(pieceBytes, end - begin));
  for (let at = begin; at < end; at += piece.length) {
    const length = Math.min(piece.length, end - at);
    hash.update((await file.readRange(at, at + length, piece)).subarray(0, length));
  }
}

/** Feeds bytes in memory to a hash. */
export async function hashBytes(hash: Hash, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    hash.update(bytes.subarray(at, at + pieceBytes));
    await setImmediate();
  }
}
