// SPDX-License-Identifier: Apache-2.0
// The identity of a loaded model: what keys and values that are kept on disk depend on beside their tokens.

import { createHash, webcrypto } from 'node:crypto';

import { fileStamp, RegularFile, sameFile } from '../formats/regular-file.js';
import type { ModelSpec } from '../native/addon.js';
import type { Container } from './container.js';

/** Version of docs/numerics.md: raised with every change there that changes a bit of a key, a value or a logit. */
export const numericsVersion = 1;

/** A piece is read and hashed by a thread of Node's pool, so that its length holds up nothing. */
const pieceBytes = 1 << 20;
/** As many as Node's pool has threads by default. */
const piecesAtOnce = 4;

/**
 * SHA-256, in hexadecimal, over the version of the numerics, what the engine was told about the model (dimensions,
 * epsilon, groups, the table of its tensors), the size and time of the weight file, and the SHA-256 of each piece of
 * every tensor but the packed nibbles: scales, row sums, norms and RoPE frequencies (18 MB of 449 at full size). Hashing
 * all of it would take longer than computing the official policy; the nibbles are covered by their scales and the stored
 * sum of each group.
 *
 * @param mapped settles when the addon has mapped the weights: a file that took their place before that is noticed here
 * @returns the key, or undefined where the weight file is no longer the one that `openContainer` saw
 * @throws {ERR_LLAMA_GUARD_UNREADABLE} the weight file cannot be read; likewise MODEL_NOT_FOUND and TRUNCATED; and
 *   whatever `mapped` rejects with
 */
export async function modelKey({ spec, weightsStamp }: Container, mapped: Promise<unknown>): Promise<string | undefined> {
  const file = await RegularFile.open(spec.path);
  try {
    const hash = createHash('sha256').update(description(spec));
    hash.update(`${weightsStamp.bytes} ${weightsStamp.modifiedNs}\n`);
    for (const digest of await pieceDigests(file, piecesOf(spec))) hash.update(digest);
    await mapped;
    if (!sameFile(await fileStamp(spec.path), weightsStamp) || !sameFile(file.stamp, weightsStamp)) return undefined;
    return hash.digest('hex');
  } finally {
    await file.close();
  }
}

/** Byte ranges that hold every tensor but the nibbles; tensors that touch are taken together. */
function piecesOf({ tensors }: ModelSpec): [begin: number, end: number][] {
  const pieces: [begin: number, end: number][] = [];
  for (const { name, begin, end } of [...tensors].sort((a, b) => a.begin - b.begin)) {
    if (name.endsWith('.q4')) continue;
    let at = begin;
    const last = pieces.at(-1);
    if (last?.[1] === begin) at = last[1] = Math.min(end, last[0] + pieceBytes);
    for (; at < end; at += pieceBytes) pieces.push([at, Math.min(end, at + pieceBytes)]);
  }
  return pieces;
}

/** SHA-256 of each piece of a file, in order. */
async function pieceDigests(file: RegularFile, pieces: readonly [number, number][]): Promise<Uint8Array[]> {
  const digests: Uint8Array[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < pieces.length) {
      const index = next++;
      const bytes = await file.readRange(...pieces[index]!);
      digests[index] = new Uint8Array(await webcrypto.subtle.digest('SHA-256', bytes));
    }
  };
  await Promise.all(Array.from({ length: piecesAtOnce }, lane));
  return digests;
}

/** All of a spec but its path, so that a folder may be moved. */
function description({ path: _, ...rest }: ModelSpec): string {
  return `numerics ${numericsVersion}\n${JSON.stringify(rest)}\n`;
}
