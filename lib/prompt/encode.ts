// SPDX-License-Identifier: Apache-2.0
// Prompt parts to token ids: control tokens by name, text by the tokenizer, which never makes a control token of it.
//
// Prefix and rest may be encoded apart: the prefix ends in ">\n\n", which the split pattern of Llama 3 takes as one
// piece (punctuation with the line breaks after it), and the rest begins with a letter ("User" or "Agent"), which no
// piece that has passed a line break takes in. So a piece ends at that seam in the whole text as well, and byte pairs
// are merged within pieces only. The same holds for the seam between the earlier turns, which end in a line break, and
// the last one.

import { LlamaGuardError } from '../errors/index.js';
import type { PromptPart } from './render.js';

/** What this module needs of a tokenizer. */
export interface PromptTokenizer {
  /** Token ids of a text; never a control token. */
  encode(text: string): Uint32Array;
  /** Id of a control token, such as `<|eot_id|>`. */
  controlToken(name: string): number | undefined;
}

/**
 * The token ids of prompt parts.
 *
 * @throws {ERR_LLAMA_GUARD_BAD_TOKENIZER} the tokenizer lacks a control token of the prompt
 */
export function encodeParts(parts: readonly PromptPart[], tokenizer: PromptTokenizer): Uint32Array {
  const encoded = parts.map((part) =>
    'text' in part ? tokenizer.encode(part.text) : Uint32Array.of(controlToken(part.control, tokenizer)),
  );
  const ids = new Uint32Array(encoded.reduce((length, piece) => length + piece.length, 0));
  let offset = 0;
  for (const piece of encoded) {
    ids.set(piece, offset);
    offset += piece.length;
  }
  return ids;
}

function controlToken(name: string, tokenizer: PromptTokenizer): number {
  const id = tokenizer.controlToken(name);
  if (id !== undefined) return id;
  throw new LlamaGuardError('ERR_LLAMA_GUARD_BAD_TOKENIZER', `The tokenizer has no token ${name}, which the prompt needs`);
}
