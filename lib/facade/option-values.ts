// SPDX-License-Identifier: Apache-2.0
// Checks of single options, with messages that say what was expected and what was found.

import { LlamaGuardError } from '../errors/index.js';

/** A boolean option. */
export function flag(name: string, value: unknown, byDefault: boolean): boolean {
  if (value === undefined) return byDefault;
  if (typeof value !== 'boolean') throw invalid(`${name} must be true or false`, value);
  return value;
}

/** An integer option from `min` to `max`. */
export function integer(name: string, value: unknown, max: number, min = 0): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw invalid(`${name} must be an integer from ${min} to ${max}`, value);
  }
  return value;
}

/** A probability above 0. */
export function probability(name: string, value: unknown): number | undefined {
  if (value === undefined || (typeof value === 'number' && value > 0 && value <= 1)) return value;
  throw invalid(`${name} must be a number above 0 and at most 1`, value);
}

/** An option that is one of some words. */
export function choice<T extends string>(name: string, value: unknown, words: readonly T[], byDefault: T): T {
  if (value === undefined) return byDefault;
  const known = words.find((word) => word === value);
  if (known !== undefined) return known;
  throw invalid(`${name} must be one of ${words.join(', ')}`, value);
}

/** A function that the package calls back. */
export function callback<T>(name: string, value: unknown): T | undefined {
  if (value === undefined || typeof value === 'function') return value as T | undefined;
  throw invalid(`${name} must be a function`, value);
}

/** The options of something, such as `load()`, none of which has a name that is not in `names`. */
export function record(what: string, options: unknown, names: readonly string[]): Readonly<Record<string, unknown>> {
  if (options === undefined) return {};
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalid(`The options of ${what} must be an object`, options);
  }
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) throw invalid(`${what} has the options ${names.join(', ')}`, name);
  }
  return options as Record<string, unknown>;
}

/** INVALID_ARGUMENT with the beginning of what was found. */
export function invalid(expected: string, found: unknown): LlamaGuardError {
  const isText = typeof found !== 'object' && typeof found !== 'bigint';
  const shown = (isText || found === null ? JSON.stringify(found) : undefined) ?? `a value of type ${typeof found}`;
  return new LlamaGuardError('ERR_LLAMA_GUARD_INVALID_ARGUMENT', `${expected}, found ${shown.slice(0, 80)}`);
}
