// SPDX-License-Identifier: Apache-2.0
// The group size of a conversion: the one that was asked for, or the largest that divides every row.

import { LlamaGuardError } from '../errors/index.js';
import { type GroupSize, groupSizes } from '../loading/config.js';

/** Row lengths of the matrices, by the name that a message gives them. */
export type RowLengths = Readonly<Record<string, number>>;

/**
 * The group for rows of these lengths.
 * @param forced 32, 64, 128 or 256; default: the largest of them that divides all lengths
 * @throws {ERR_LLAMA_GUARD_INVALID_ARGUMENT} `forced` is no group size or does not divide a length
 * @throws {ERR_LLAMA_GUARD_UNSUPPORTED_MODEL} no group size divides them all
 */
export function chooseGroup(lengths: RowLengths, forced?: number): GroupSize {
  const divides = (group: number): boolean => Object.values(lengths).every((length) => length % group === 0);
  const list = Object.entries(lengths).map(([name, length]) => `${name} ${length}`).join(', ');
  if (forced !== undefined) {
    const group = groupSizes.find((size) => size === forced);
    if (group !== undefined && divides(group)) return group;
    const what = group === undefined ? `must be one of ${groupSizes.join(', ')}` : `must divide ${list}`;
    throw new LlamaGuardError('ERR_LLAMA_GUARD_INVALID_ARGUMENT', `group ${what}, found ${forced}`);
  }
  const group = [...groupSizes].reverse().find(divides);
  if (group !== undefined) return group;
  throw new LlamaGuardError('ERR_LLAMA_GUARD_UNSUPPORTED_MODEL', `No group of ${groupSizes.join(', ')} divides ${list}`);
}
