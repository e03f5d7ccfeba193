// SPDX-License-Identifier: Apache-2.0
// The rows of the model's head: which logit belongs to which word of a verdict, and the token id of each row.

import { LlamaGuardError } from '../errors/index.js';

/** One row of the head, as config.json lists it. */
export interface Label {
  /** Token id. */
  readonly id: number;
  readonly text: string;
}

/** The verdict words of a head, each as its row. Immutable. */
export class LabelSet {
  /** Rows in all. */
  readonly size: number;
  readonly texts: readonly string[];
  readonly safe: number;
  readonly unsafe: number;
  readonly newline: number;
  /** "\n\n", which some models write before the verdict. */
  readonly doubleNewline: number | undefined;
  readonly s: number;
  /** Rows that lead from one category to the next: ",S", or "," and "S". */
  readonly separator: readonly [number, ...number[]];
  readonly endOfTurn: number;
  /** Codes that the head can say (S1, S2, ...), in the order of their numbers, each with the row of its number. */
  readonly numbers: ReadonlyMap<string, number>;
  readonly #ids: readonly number[];
  readonly #rowById: ReadonlyMap<number, number>;

  /**
   * @param labels rows of the head, in order
   * @throws {ERR_LLAMA_GUARD_BAD_CONFIG} a word of the grammar is missing, or a row is there twice
   */
  constructor(labels: readonly Label[]) {
    const rowByText = uniqueRows(labels.map((label) => label.text), 'text');
    const row = (text: string): number => required(rowByText, text);
    this.#ids = labels.map((label) => label.id);
    this.#rowById = uniqueRows(this.#ids, 'id');
    this.size = labels.length;
    this.texts = labels.map((label) => label.text);
    this.safe = row('safe');
    this.unsafe = row('unsafe');
    this.newline = row('\n');
    this.doubleNewline = rowByText.get('\n\n');
    this.s = row('S');
    this.separator = rowByText.has(',S') ? [row(',S')] : [row(','), this.s];
    this.endOfTurn = rowByText.get('<|eot_id|>') ?? row('<|end_of_text|>');
    this.numbers = numberRows(this.texts);
  }

  /** Codes that the head can say, such as S1. */
  get codes(): readonly string[] {
    return [...this.numbers.keys()];
  }

  /** Token id of a row. */
  idOf(row: number): number {
    const id = this.#ids[row];
    if (id === undefined) throw new LlamaGuardError('ERR_LLAMA_GUARD_INTERNAL', `The head has no row ${row}`);
    return id;
  }

  /** Logits of a head that has a row for every token, [vocabSize]: -Infinity where this one has none. */
  scatter(logits: Float32Array, vocabSize: number): Float32Array {
    const full = new Float32Array(vocabSize).fill(-Infinity);
    for (const [row, id] of this.#ids.entries()) full[id] = logits[row] ?? NaN;
    return full;
  }

  /** Row of a token id, where the head has one. */
  rowOf(id: number): number | undefined {
    return this.#rowById.get(id);
  }
}

function uniqueRows<T>(keys: readonly T[], what: string): ReadonlyMap<T, number> {
  const rows = new Map(keys.map((key, row) => [key, row]));
  if (rows.size === keys.length) return rows;
  throw badConfig(`labels must be different from each other, found one ${what} in several rows`);
}

function required(rowByText: ReadonlyMap<string, number>, text: string): number {
  const row = rowByText.get(text);
  if (row === undefined) throw badConfig(`labels must hold ${JSON.stringify(text)}, which a verdict needs`);
  return row;
}

function numberRows(texts: readonly string[]): ReadonlyMap<string, number> {
  const numbers = texts.flatMap((text, row) => (/^[1-9][0-9]?$/.test(text) ? [{ number: Number(text), row }] : []));
  if (numbers.length === 0) throw badConfig('labels must hold the numbers of the categories, found none');
  numbers.sort((a, b) => a.number - b.number);
  return new Map(numbers.map(({ number, row }) => [`S${number}`, row]));
}

function badConfig(message: string): LlamaGuardError {
  return new LlamaGuardError('ERR_LLAMA_GUARD_BAD_CONFIG', message);
}
