// SPDX-License-Identifier: Apache-2.0
// Reads fields of a parsed config.json; every refusal names the field, what was expected and what was found.

import { LlamaGuardError } from '../errors/index.js';

const shownChars = 60;

function shown(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > shownChars ? `${text.slice(0, shownChars)}...` : text;
}

/** One JSON object of a config file, with the path that leads to it. */
export class FieldReader {
  readonly #file: string;
  readonly #path: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(file: string, value: unknown, path = '') {
    this.#file = file;
    this.#path = path;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw this.refusal('', 'an object', value);
    }
    this.#fields = value as Record<string, unknown>;
  }

  /** The error that says that field `name` is not what it should be. */
  refusal(name: string, expected: string, found: unknown): LlamaGuardError {
    const where = this.#join(name) || 'the file';
    return new LlamaGuardError(
      'ERR_LLAMA_GUARD_BAD_CONFIG',
      `${this.#file}: ${where} must be ${expected}, found ${shown(found)}`,
    );
  }

  has(name: string): boolean {
    return this.#get(name) !== undefined && this.#get(name) !== null;
  }

  object(name: string): FieldReader {
    return new FieldReader(this.#file, this.#get(name), this.#join(name));
  }

  /** The objects of an array field of `min` to `max` elements. */
  objects(name: string, min: number, max: number): FieldReader[] {
    const value = this.#get(name);
    if (!Array.isArray(value) || value.length < min || value.length > max) {
      const found = Array.isArray(value) ? `${value.length} elements` : value;
      throw this.refusal(name, `an array of ${min} to ${max} objects`, found);
    }
    return value.map((element, i) => new FieldReader(this.#file, element, `${this.#join(name)}[${i}]`));
  }

  integer(name: string, min: number, max: number): number {
    const value = this.#get(name);
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
      throw this.refusal(name, `an integer from ${min} to ${max}`, value);
    }
    return value;
  }

  /** A finite number in (min, max]. */
  number(name: string, min: number, max: number): number {
    const value = this.#get(name);
    if (typeof value !== 'number' || !Number.isFinite(value) || value <= min || value > max) {
      throw this.refusal(name, `a number above ${min} and at most ${max}`, value);
    }
    return value;
  }

  string(name: string, maxChars: number): string {
    const value = this.#get(name);
    if (typeof value !== 'string' || value.length === 0 || value.length > maxChars) {
      throw this.refusal(name, `a string of 1 to ${maxChars} characters`, value);
    }
    return value;
  }

  boolean(name: string): boolean {
    const value = this.#get(name);
    if (typeof value !== 'boolean') throw this.refusal(name, 'true or false', value);
    return value;
  }

  oneOf<T extends string | number>(name: string, allowed: readonly T[]): T {
    const value = this.#get(name);
    const match = allowed.find((candidate) => candidate === value);
    if (match === undefined) {
      const list = allowed.map((candidate) => JSON.stringify(candidate)).join(', ');
      throw this.refusal(name, allowed.length === 1 ? list : `one of ${list}`, value);
    }
    return match;
  }

  #get(name: string): unknown {
    return Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
  }

  #join(name: string): string {
    return this.#path && name ? `${this.#path}.${name}` : this.#path + name;
  }
}
