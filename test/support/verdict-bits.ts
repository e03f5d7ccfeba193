// SPDX-License-Identifier: Apache-2.0
// What two answers to the same call must have in common, to the bit.

import { LlamaGuardError, type ModerationResult } from '../../lib/index.js';

/** All of a result but times, and what was computed for this call alone. */
export function bits({ timings: _, usage: { promptTokens, completionTokens }, ...result }: ModerationResult) {
  return { ...result, promptTokens, completionTokens };
}

export type Outcome = ReturnType<typeof bits> | string;

/** The bits of an answer, or the code of the error; passes on what is no error of this package. */
export async function outcomeOf(call: Promise<ModerationResult>): Promise<Outcome> {
  try {
    return bits(await call);
  } catch (error) {
    if (LlamaGuardError.isInstance(error)) return error.code;
    throw error;
  }
}
