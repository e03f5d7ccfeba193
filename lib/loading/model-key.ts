// SPDX-License-Identifier: Apache-2.0
// The identity of a loaded model: what keys and values that are kept on disk depend on beside their tokens.

import { createHash } from 'node:crypto';

import { fileStamp, sameFile } from '../formats/regular-file.js';
import type { ModelSpec, NativeModel } from '../native/addon.js';
import type { ModelFolder } from './container.js';

/** Version of docs/numerics.md: raised with every change there that changes a bit of a key, a value or a logit. */
export const numericsVersion = 1;

/**
 * SHA-256, in hexadecimal, over the version of the numerics, what the engine was told about the model (dimensions,
 * epsilon, groups, the table of its tensors), the size and time of the weight file, and the XXH64 of every tensor but the
 * packed nibbles, which the addon took as it mapped them: scales, row sums, norms and RoPE frequencies (18 MB of 449 at full
 * size). Reading all of it would take longer than computing the official policy; the nibbles are covered by their scales
 * and the stored sum of each group. XXH64 finds what happens to a file by accident; whoever may write to the model folder
 * needs no collision.
 *
 * @param model the folder's, mapped: a file that took the place of the weights before that is noticed here
 * @returns the key, or undefined where the weight file is no longer the one that `openModelFolder` saw
 * @throws {ERR_LLAMA_GUARD_UNREADABLE} the weight file cannot be looked at; likewise MODEL_NOT_FOUND
 */
export async function modelKey(
  { spec, weightsStamp }: ModelFolder,
  { checksums }: Pick<NativeModel, 'checksums'>,
): Promise<string | undefined> {
  if (!sameFile(await fileStamp(spec.path), weightsStamp)) return undefined;
  const hash = createHash('sha256').update(description(spec));
  hash.update(`${weightsStamp.bytes} ${weightsStamp.modifiedNs}\n${checksums.join(' ')}\n`);
  return hash.digest('hex');
}

/** All of a spec but its path, so that a folder may be moved. */
function description({ path: _, ...rest }: ModelSpec): string {
  return `numerics ${numericsVersion}\n${JSON.stringify(rest)}\n`;
}
