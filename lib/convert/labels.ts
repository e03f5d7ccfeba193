// SPDX-License-Identifier: Apache-2.0
// The rows of the cut head: the words that a verdict is made of, as tokens of the model's own tokenizer.

import { LlamaGuardError } from '../errors/index.js';
import { defaultTaxonomy } from '../prompt/taxonomy.js';
import type { Label } from '../scoring/labels.js';
import type { Tokenizer } from '../tokenizer/index.js';

const words = ['safe', 'unsafe', '\n', '\n\n', 'S'];
/** One token in Llama 3's tokenizer; where it is not, the comma and the "S" are two. */
const separators = [',S', ','];
const endOfTurn = '<|eot_id|>';

/**
 * Token and text of each row of the head, in the order of the rows.
 * @throws {ERR_LLAMA_GUARD_BAD_TOKENIZER} one of them is no single token; names it
 */
export function labelRows(tokenizer: Tokenizer): Label[] {
  const separator = separators.find((text) => tokenizer.tokenId(text) !== undefined) ?? separators[0]!;
  const numbers = defaultTaxonomy.map(({ code }) => code.slice(1));
  return [
    ...[...words, separator, ...numbers].map((text) => row(text, tokenizer.tokenId(text))),
    row(endOfTurn, tokenizer.controlToken(endOfTurn)),
  ];
}

function row(text: string, id: number | undefined): Label {
  if (id !== undefined) return { id, text };
  throw new LlamaGuardError(
    'ERR_LLAMA_GUARD_BAD_TOKENIZER',
    `The tokenizer has no single token for ${JSON.stringify(text)}, which a verdict needs`,
  );
}
