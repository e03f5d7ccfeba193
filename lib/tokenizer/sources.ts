// SPDX-License-Identifier: Apache-2.0
// Tables from the files that tokenizers are published as; a converted model has its own prepared form.

import { type TokenizerTables, buildTables } from './tables.js';
import { llama3ControlTokens, readTiktoken } from './tiktoken-text.js';
import { readTokenizerJson } from './tokenizer-json.js';

export function tablesOfTokenizerJson(json: string): TokenizerTables {
  return buildTables(readTokenizerJson(json));
}

export function tablesOfTiktoken(text: string, controlTokens: readonly string[] = llama3ControlTokens()): TokenizerTables {
  return buildTables(readTiktoken(text, controlTokens));
}
