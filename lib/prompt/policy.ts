// SPDX-License-Identifier: Apache-2.0
// Which categories a call judges by: the model's table or one of the caller's own, less the excluded rows.

import { LlamaGuardError } from '../errors/index.js';
import type { Category } from './taxonomy.js';

/** The categories of one call, in the order in which the prompt lists them. Not empty, no code twice. */
export interface Policy {
  readonly categories: readonly Category[];
}

export interface PolicyRequest {
  /** Replaces the model's table. */
  readonly categories?: readonly Category[];
  /** Codes to leave out. */
  readonly exclude?: readonly string[];
}

/**
 * The policy of a call.
 *
 * @param request what the caller asked for; `{}` gives the whole table
 * @param taxonomy the model's table
 * @param sayable codes that the model's head can say (`LabelSet.codes`); default: those of `taxonomy`
 * @throws {ERR_LLAMA_GUARD_UNKNOWN_CATEGORY} a code that is not known, or no category left
 * @throws {ERR_LLAMA_GUARD_INVALID_ARGUMENT} a category of the wrong form, or a code twice
 */
export function resolvePolicy(
  request: PolicyRequest,
  taxonomy: readonly Category[],
  sayable: readonly string[] = taxonomy.map((category) => category.code),
): Policy {
  const { categories: wanted = taxonomy, exclude = [] } = request;
  const table = checkedTable(wanted, sayable);
  const excluded = checkedExclusions(exclude, table);
  const categories = table.filter((category) => !excluded.has(category.code));
  if (categories.length === 0) throw unknown('Expected at least one category to judge by, found none');
  return { categories };
}

function checkedTable(table: readonly Category[], sayable: readonly string[]): readonly Category[] {
  if (!Array.isArray(table)) throw invalid('categories must be an array of {code, name, description?}');
  const seen = new Set<string>();
  return table.map((category: unknown, index) => {
    const checked = checkedCategory(category, `categories[${index}]`);
    if (!sayable.includes(checked.code)) {
      throw unknown(`categories[${index}].code ${quoted(checked.code)} is not one that the model can say: ${sayable.join(', ')}`);
    }
    if (seen.has(checked.code)) throw invalid(`categories[${index}].code ${quoted(checked.code)} is there twice`);
    seen.add(checked.code);
    return checked;
  });
}

function checkedCategory(category: unknown, path: string): Category {
  const fields = (typeof category === 'object' && category !== null ? category : {}) as Record<keyof Category, unknown>;
  const { code, name, description } = fields;
  if (typeof code !== 'string') throw invalid(`${path}.code must be a string such as "S1"`);
  // A line break would start a new row of the table, and with it a category of its own.
  if (typeof name !== 'string' || name.trim() === '' || /[\p{Cc}\u2028\u2029]/u.test(name)) {
    throw invalid(`${path}.name must be one line of text without control characters`);
  }
  if (description === undefined) return { code, name };
  if (typeof description !== 'string' || description.trim() === '') {
    throw invalid(`${path}.description must be a text, or left out`);
  }
  return { code, name, description };
}

function checkedExclusions(exclude: readonly string[], table: readonly Category[]): ReadonlySet<string> {
  if (!Array.isArray(exclude)) throw invalid('exclude must be an array of category codes');
  const known = table.map((category) => category.code);
  for (const [index, code] of exclude.entries() as IterableIterator<[number, unknown]>) {
    if (typeof code !== 'string') throw invalid(`exclude[${index}] must be a category code such as "S1"`);
    if (!known.includes(code)) throw unknown(`exclude[${index}] ${quoted(code)} is not in the policy: ${known.join(', ')}`);
  }
  return new Set(exclude);
}

function quoted(code: string): string {
  return JSON.stringify(code.slice(0, 32));
}

function invalid(message: string): LlamaGuardError {
  return new LlamaGuardError('ERR_LLAMA_GUARD_INVALID_ARGUMENT', message);
}

function unknown(message: string): LlamaGuardError {
  return new LlamaGuardError('ERR_LLAMA_GUARD_UNKNOWN_CATEGORY', message);
}
