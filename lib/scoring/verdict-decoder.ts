// SPDX-License-Identifier: Apache-2.0
// Constrained decoding of a verdict as a state machine that knows no native code. The grammar:
//
//   "\n\n"? ( "safe" end | "unsafe" "\n" "S" number (",S" number)* end )
//
// Only words of the grammar are ever chosen, from categories of the policy, none twice: a malformed verdict cannot
// occur. Forced tokens cost no pass of their own but ride with the next free choice. A safe verdict takes one forward
// pass, one with n categories n + 2 (n + 1 if they are all that the policy has).

import { LlamaGuardError } from '../errors/index.js';
import type { LabelSet } from './labels.js';
import { ScoreSheet, type ScoredCategory, type Softmax, type Verdict } from './scores.js';

export interface DecoderOptions {
  /** From which P(unsafe) on, inclusive, the verdict is unsafe: above 0, at most 1. Default 0.5. */
  readonly threshold?: number;
  readonly softmax: Softmax;
}

/** One forward pass that the decoder asks for. */
export interface DecodeStep {
  /** How many of the tokens of the step before are part of the verdict; the rest must be dropped. 0 at first. */
  readonly keep: number;
  /** Token ids to feed; in the first step they follow the prompt, and there may be none. */
  readonly tokens: readonly number[];
  /** At how many of the last positions (of prompt and tokens) label logits are wanted; at least 1. */
  readonly logits: number;
}

/** Rows of one position's logits. */
type Row = number;

/**
 * Decodes one verdict. While `next()` gives a step, feed its tokens and hand the logits to `accept`; then take
 * `result()`.
 */
export class VerdictDecoder {
  readonly #labels: LabelSet;
  readonly #categories: readonly ScoredCategory[];
  readonly #threshold: number;
  readonly #softmax: Softmax;
  readonly #listed: string[] = [];
  #step: DecodeStep | null;
  #accept: (logits: Float32Array) => DecodeStep | null = (logits) => this.#readVerdict(logits);
  #sheet: ScoreSheet | undefined;
  #verdict: Pick<Verdict, 'flagged' | 'score' | 'labelProbabilities'> | undefined;

  /**
   * @param categories the policy's categories
   * @throws {ERR_LLAMA_GUARD_INVALID_ARGUMENT} the threshold is out of range
   * @throws {ERR_LLAMA_GUARD_UNKNOWN_CATEGORY} no category, or one that the head cannot say
   */
  constructor(labels: LabelSet, categories: readonly ScoredCategory[], options: DecoderOptions) {
    this.#labels = labels;
    this.#categories = categories;
    this.#softmax = options.softmax;
    this.#threshold = checkedThreshold(options.threshold ?? 0.5);
    checkSayable(categories, labels);
    const { doubleNewline } = labels;
    this.#step =
      doubleNewline === undefined ? { keep: 0, tokens: [], logits: 1 } : this.#stepOf(0, [doubleNewline], 2);
  }

  /** The pass to make now; null when the verdict is complete. */
  next(): DecodeStep | null {
    return this.#step;
  }

  /**
   * Takes the logits of the step that `next()` gave.
   *
   * @param logits [step.logits][labels.size]
   * @throws {ERR_LLAMA_GUARD_NON_FINITE} a logit is not finite; the decoder then gives no verdict
   */
  accept(logits: Float32Array): void {
    const wanted = this.#step === null ? 0 : this.#step.logits * this.#labels.size;
    if (wanted === 0 || logits.length !== wanted) {
      throw new LlamaGuardError('ERR_LLAMA_GUARD_INTERNAL', `Expected ${wanted} logits, found ${logits.length}`);
    }
    if (!logits.every(Number.isFinite)) {
      throw new LlamaGuardError('ERR_LLAMA_GUARD_NON_FINITE', 'The model computed logits that are not finite numbers');
    }
    this.#step = this.#accept(logits);
  }

  /** The verdict, once `next()` gives null. */
  result(): Verdict {
    if (this.#step !== null || this.#verdict === undefined) {
      throw new LlamaGuardError('ERR_LLAMA_GUARD_INTERNAL', 'The verdict was asked for before it was decoded');
    }
    const scores = this.#sheet?.scores() ?? null;
    return {
      flagged: this.#verdict.flagged,
      verdict: this.#verdict.flagged ? 'unsafe' : 'safe',
      score: this.#verdict.score,
      categories: this.#listed.map((code) => ({ code, name: this.#nameOf(code), score: scores?.[code] ?? 0 })),
      categoryScores: scores,
      labelProbabilities: this.#verdict.labelProbabilities,
    };
  }

  /** The first pass: after the prompt, and after "\n\n" in case the model begins with it. */
  #readVerdict(logits: Float32Array): DecodeStep | null {
    const { safe, unsafe, doubleNewline, newline, s } = this.#labels;
    const first = this.#position(logits, 0);
    const begins = doubleNewline !== undefined && likeliest(first, [safe, unsafe, doubleNewline]) === doubleNewline;
    const position = begins ? this.#position(logits, 1) : first;
    const [, score = 0] = this.#share(position, [safe, unsafe]);
    const flagged = score >= this.#threshold;
    this.#verdict = { flagged, score, labelProbabilities: this.#labelProbabilities(position) };
    if (!flagged) return null;

    const codes = this.#remaining();
    this.#sheet = new ScoreSheet(score, codes);
    const [only, ...others] = codes;
    if (only !== undefined && others.length === 0) {
      this.#sheet.enter(new Map([[only, 1]]), only);
      this.#listed.push(only);
      return null;
    }
    this.#accept = (next) => this.#readNumber(this.#position(next, 0), 3);
    return this.#stepOf(begins ? 1 : 0, [unsafe, newline, s], 1);
  }

  /** Chooses a number; `keep` tokens came before it in this step. Ends the list when no other number is left. */
  #readNumber(position: Float32Array, keep: number): DecodeStep | null {
    const codes = this.#remaining();
    const rows = codes.map((code) => this.#rowOf(code));
    const chosenRow = likeliest(position, rows);
    const chosen = codes[rows.indexOf(chosenRow)] ?? '';
    const shares = this.#share(position, rows);
    this.#sheet?.enter(new Map(codes.map((code, index) => [code, shares[index] ?? 0])), chosen);
    this.#listed.push(chosen);
    if (codes.length === 1) return null;
    const { separator } = this.#labels;
    this.#accept = (next) => this.#readSeparator(next);
    return this.#stepOf(keep, [chosenRow, ...separator], 1 + separator.length);
  }

  /** After a number: whether the list goes on, and if so with which number (read after the separator). */
  #readSeparator(logits: Float32Array): DecodeStep | null {
    const { separator, endOfTurn } = this.#labels;
    const [goOn = endOfTurn] = separator;
    const position = this.#position(logits, 0);
    if (likeliest(position, [goOn, endOfTurn]) === endOfTurn) return null;
    this.#sheet?.goOn(this.#share(position, [goOn, endOfTurn])[0] ?? 0);
    return this.#readNumber(this.#position(logits, separator.length), 1 + separator.length);
  }

  #stepOf(keep: number, rows: readonly Row[], logits: number): DecodeStep {
    return { keep, tokens: rows.map((row) => this.#labels.idOf(row)), logits };
  }

  #position(logits: Float32Array, index: number): Float32Array {
    return logits.subarray(index * this.#labels.size, (index + 1) * this.#labels.size);
  }

  /** Softmax over some rows alone, in their order. */
  #share(position: Float32Array, rows: readonly Row[]): Float32Array {
    return this.#softmax(Float32Array.from(rows, (row) => position[row] ?? NaN));
  }

  #labelProbabilities(position: Float32Array): Verdict['labelProbabilities'] {
    const probabilities = this.#softmax(position.slice());
    return this.#labels.texts.map((text, row) => ({ text, probability: probabilities[row] ?? 0 }));
  }

  #remaining(): readonly string[] {
    return this.#categories.map((category) => category.code).filter((code) => !this.#listed.includes(code));
  }

  #rowOf(code: string): Row {
    return this.#labels.numbers.get(code) ?? -1;
  }

  #nameOf(code: string): string {
    return this.#categories.find((category) => category.code === code)?.name ?? '';
  }
}

/** The row with the largest logit; of equal ones the lowest. */
function likeliest(position: Float32Array, rows: readonly Row[]): Row {
  return rows.reduce((best, row) => {
    const difference = (position[row] ?? NaN) - (position[best] ?? NaN);
    return difference > 0 || (difference === 0 && row < best) ? row : best;
  });
}

function checkedThreshold(threshold: number): number {
  if (typeof threshold === 'number' && threshold > 0 && threshold <= 1) return threshold;
  const found = typeof threshold === 'number' ? String(threshold) : typeof threshold;
  throw new LlamaGuardError('ERR_LLAMA_GUARD_INVALID_ARGUMENT', `threshold must be above 0 and at most 1, found ${found}`);
}

function checkSayable(categories: readonly ScoredCategory[], labels: LabelSet): void {
  const unsayable = categories.find((category) => !labels.numbers.has(category.code));
  if (categories.length > 0 && unsayable === undefined) return;
  const found = unsayable === undefined ? 'no category' : `${unsayable.code}`;
  throw new LlamaGuardError(
    'ERR_LLAMA_GUARD_UNKNOWN_CATEGORY',
    `Expected categories that the model can say (${labels.codes.join(', ')}), found ${found}`,
  );
}
