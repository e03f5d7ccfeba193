// SPDX-License-Identifier: Apache-2.0
// The one in-memory form of a tokenizer, whatever it was read from: flat typed arrays, hash tables included.

import { badTokenizer } from './bad-tokenizer.js';
import { MergeTable } from './merge-table.js';
import { Vocabulary, idLimit } from './vocabulary.js';

/** Everything that an encoder needs. Immutable. */
export interface TokenizerTables {
  readonly vocabulary: Vocabulary;
  readonly merges: MergeTable;
  /** In ascending order; their bytes in the vocabulary are their names. */
  readonly controlIds: Uint32Array;
  /** Whether a piece that is a token as a whole is taken as that token, even where merges would not lead to it. */
  readonly ignoreMerges: boolean;
}

/** A tokenizer as a source describes it; ids are below `idLimit`. */
export interface TokenizerSource {
  /** Bytes of the ordinary tokens by id; ids without a token are absent. */
  readonly tokens: readonly (Uint8Array | undefined)[];
  readonly controlTokens: ReadonlyMap<string, number>;
  readonly ignoreMerges: boolean;
  /** Lists left, right, rank and id of each merge, given the vocabulary. */
  listMerges(vocabulary: Vocabulary): Uint32Array;
}

/** @throws {ERR_LLAMA_GUARD_BAD_TOKENIZER} ids are taken twice or too large, or a single byte is no token */
export function buildTables(source: TokenizerSource): TokenizerTables {
  const tokens = [...source.tokens];
  const utf8 = new TextEncoder();
  for (const [name, id] of source.controlTokens) {
    if (!Number.isInteger(id) || id < 0 || id >= idLimit) throw badTokenizer(`the id of ${name} is not in 0..${idLimit - 1}`);
    if (tokens[id]) throw badTokenizer(`the id ${id} of ${name} belongs to another token as well`);
    tokens[id] = utf8.encode(name);
  }
  const controlIds = Uint32Array.from(source.controlTokens.values()).sort();
  const vocabulary = Vocabulary.build(Array.from(tokens), new Set(controlIds));
  vocabulary.byteIds();
  const merges = MergeTable.build(source.listMerges(vocabulary));
  return { vocabulary, merges, controlIds, ignoreMerges: source.ignoreMerges };
}
