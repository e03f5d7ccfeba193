// SPDX-License-Identifier: Apache-2.0
// The identity of a loaded model: what keys and values that are kept on disk depend on beside their tokens.

import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

import { fileStamp, RegularFile, sameFile } from '../formats/regular-file.js';
import type { ModelSpec } from '../native/addon.js';
import type { Container } from './container.js';

/** Version of docs/numerics.md: raised with every change there that changes a bit of a key, a value or a logit. */
export const numericsVersion = 1;

/** At 1 GB/s, slow for CRC-32 on any CPU, a piece holds the event loop for a millisecond. */
const pieceBytes = 1 << 20;

/**
 * SHA-256, in hexadecimal, over the version of the numerics, what the engine was told about the model (dimensions,
 * epsilon, groups, the table of its tensors), the size and time of the weight file, and the CRC-32 of each piece of
 * every tensor but the packed nibbles: scales, row sums, norms and RoPE frequencies (18 MB of 449 at full size). Reading
 * all of it would take longer than computing the official policy; the nibbles are covered by their scales and the stored
 * sum of each group. CRC-32 takes a third of the time of SHA-256, and finds what happens to a file by accident; whoever
 * may write to the model folder needs no collision.
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
    const buffer = new Uint8Array(pieceBytes);
    for (const [begin, end] of piecesOf(spec)) {
      hash.update(`${crc32((await file.readRange(begin, end, buffer)).subarray(0, end - begin))}\n`);
    }
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

/** All of a spec but its path, so that a folder may be moved. */
function description({ path: _, ...rest }: ModelSpec): string {
  return `numerics ${numericsVersion}\n${JSON.stringify(rest)}\n`;
}
