// SPDX-License-Identifier: Apache-2.0
// The one error of this folder's sources and tables: says what about the tokenizer cannot be used.

import { LlamaGuardError } from '../errors/index.js';

export function badTokenizer(what: string, cause?: unknown): LlamaGuardError {
  return new LlamaGuardError('ERR_LLAMA_GUARD_BAD_TOKENIZER', `The tokenizer cannot be used: ${what}`, { cause });
}
