// SPDX-License-Identifier: Apache-2.0
// The identity of a loaded model: what keys and values that are kept on disk depend on beside their tokens.

import { createHash } from 'node:crypto';

import { hashRange } from '../formats/hash-pieces.js';
import { RegularFile, sameFile } from '../formats/regular-file.js';
import type { ModelSpec } from '../native/addon.js';
import type { Container } from './container.js';

/** Version of docs/numerics.md: raised with every change there that changes a bit of a key, a value or a logit. */
export const numericsVersion = 1;

/**
 * SHA-256, in hexadecimal, over the version of the numerics, what the engine was told about the model (dimensions,
 * epsilon, groups, the table of its tensors), the size and time of the weight file, and every tensor but the packed
 * nibbles: scales, row sums, norms and RoPE frequencies (18 MB of 449 at full size). Hashing all of it would take
 * longer than computing the official policy; the nibbles are covered by their scales and the stored sum of each group.
 *
 * @param container whose weights the addon has mapped already: a file that takes their place before that is noticed here
 * @returns the key, or undefined where the weight file is no longer the one that `openContainer` saw
 * @throws {ERR_LLAMA_GUARD_UNREADABLE} the weight file cannot be read; likewise MODEL_NOT_FOUND and TRUNCATED
 */
export async function modelKey({ spec, weightsStamp }: Container): Promise<string | undefined> {
  const file = await RegularFile.open(spec.path);
  try {
    if (!sameFile(file.stamp, weightsStamp)) return undefined;
    const hash = createHash('sha256').update(description(spec));
    hash.update(`${weightsStamp.bytes} ${weightsStamp.modifiedNs}\n`);
    for (const { name, begin, end } of spec.tensors) {
      if (!name.endsWith('.q4')) await hashRange(hash, file, begin, end);
    }
    return hash.digest('hex');
  } finally {
    await file.close();
  }
}

/** All of a spec but its path, so that a folder may be moved. */
function description({ path: _, ...rest }: ModelSpec): string {
  return `numerics ${numericsVersion}\n${JSON.stringify(rest)}\n`;
}
