// SPDX-License-Identifier: Apache-2.0
// Constrained decoding of a verdict as a state machine that knows no native code. The grammar:
//
//   "\n\n"? ( "safe" end | "unsafe" "\n" "S" number (",S" number)* end )
//
// Only words of the grammar are ever chosen, from categories of the policy, none twice: a malformed verdict cannot
// occur. Forced tokens cost no pass of their own but ride with the next free choice. A verdict that names no categories
// takes one forward pass, one with n categories n + 2; where the policy leaves no choice (its last category, or its only
// one), the pass that would have made it is not made.

import { LlamaGuardError } from '../errors/index.js';
import type { LabelSet } from './labels.js';
import { actionOf, ScoreSheet, type ScoredCategory, type Softmax, type Thresholds, type Verdict } from './scores.js';

export interface DecoderOptions {
  /** Categories are named from `review` on. Default: 0.5 for both. */
  readonly thresholds?: Thresholds;
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

/** Index of a logit within one position. */
type Row = number;

interface Choice extends ScoredCategory {
  readonly row: Row;
}

/**
 * Decodes one verdict. While `next()` gives a step, feed its tokens and hand the logits to `accept`; then take
 * `result()`.
 */
export class VerdictDecoder {
  readonly #labels: LabelSet;
  readonly #thresholds: Thresholds;
  readonly #softmax: Softmax;
  readonly #listed: Choice[] = [];
  /** Categories that are not listed yet. */
  #open: readonly Choice[];
  #step: DecodeStep | null;
  #read: (logits: Float32Array) => DecodeStep | null = (logits) => this.#readVerdict(logits);
  #sheet: ScoreSheet | undefined;
  #verdict: Pick<Verdict, 'action' | 'score' | 'labelLogits' | 'labelProbabilities'> | undefined;

  /**
   * @param categories the policy's categories
   * @throws {ERR_LLAMA_GUARD_INVALID_ARGUMENT} a threshold is out of range
   * @throws {ERR_LLAMA_GUARD_UNKNOWN_CATEGORY} no category, or one that the head cannot say
   */
  constructor(labels: LabelSet, categories: readonly ScoredCategory[], options: DecoderOptions) {
    this.#labels = labels;
    this.#open = choices(categories, labels);
    this.#softmax = options.softmax;
    this.#thresholds = checkedThresholds(options.thresholds ?? { review: 0.5, block: 0.5 });
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
      throw nonFinite('The model computed logits that are not finite numbers');
    }
    this.#step = this.#read(logits);
  }

  /** P(unsafe), once the first step has been accepted. */
  get score(): number {
    if (this.#verdict) return this.#verdict.score;
    throw new LlamaGuardError('ERR_LLAMA_GUARD_INTERNAL', 'The score was asked for before the first pass');
  }

  /** The verdict, once `next()` gives null. */
  result(): Verdict {
    if (this.#step !== null || this.#verdict === undefined) {
      throw new LlamaGuardError('ERR_LLAMA_GUARD_INTERNAL', 'The verdict was asked for before it was decoded');
    }
    const categoryScores = this.#sheet?.scores() ?? null;
    const categories = this.#listed.map(({ code, name }) => ({ code, name, score: categoryScores?.[code] ?? 0 }));
    const flagged = this.#verdict.action === 'block';
    return { ...this.#verdict, flagged, verdict: flagged ? 'unsafe' : 'safe', categories, categoryScores };
  }

  /** The first pass: after the prompt, and after "\n\n" in case the model begins with it. */
  #readVerdict(logits: Float32Array): DecodeStep | null {
    const { safe, unsafe, doubleNewline, newline, s } = this.#labels;
    const first = this.#position(logits, 0);
    const begins = doubleNewline !== undefined && likeliest(first, [safe, unsafe, doubleNewline], itself) === doubleNewline;
    const position = begins ? this.#position(logits, 1) : first;
    const score = this.#odds(position, unsafe, safe);
    const action = actionOf(score, this.#thresholds);
    const labelLogits = position.slice();
    this.#verdict = { action, score, labelLogits, labelProbabilities: this.#probabilities(labelLogits) };
    if (action === 'allow') return null;

    this.#sheet = new ScoreSheet(score, this.#open.map((choice) => choice.code));
    const [only, second] = this.#open;
    if (only !== undefined && second === undefined) {
      this.#list(only, Float32Array.of(1));
      return null;
    }
    this.#read = (next) => this.#readNumber(this.#position(next, 0), 3);
    return this.#stepOf(begins ? 1 : 0, [unsafe, newline, s], 1);
  }

  /** Chooses a number; `keep` tokens came before it in this step. Ends the list when no other category is open. */
  #readNumber(position: Float32Array, keep: number): DecodeStep | null {
    const rows = this.#open.map((choice) => choice.row);
    const chosen = likeliest(position, this.#open, (choice) => choice.row);
    this.#list(chosen, this.#share(position, rows));
    if (this.#open.length === 0) return null;
    const { separator } = this.#labels;
    this.#read = (next) => this.#readSeparator(next);
    return this.#stepOf(keep, [chosen.row, ...separator], 1 + separator.length);
  }

  /** After a number: whether the list goes on, and if so with which number (read after the separator). */
  #readSeparator(logits: Float32Array): DecodeStep | null {
    const { separator, endOfTurn } = this.#labels;
    const [goOn] = separator;
    const position = this.#position(logits, 0);
    if (likeliest(position, [goOn, endOfTurn], itself) === endOfTurn) return null;
    this.#sheet?.goOn(this.#odds(position, goOn, endOfTurn));
    return this.#readNumber(this.#position(logits, separator.length), 1 + separator.length);
  }

  /** Enters a category; `probabilities` are those of the open ones. */
  #list(chosen: Choice, probabilities: Float32Array): void {
    this.#sheet?.enter(new Map(this.#open.map(({ code }, index) => [code, probabilities[index] ?? 0])), chosen.code);
    this.#listed.push(chosen);
    this.#open = this.#open.filter((choice) => choice !== chosen);
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

  /** Probability of a row in a softmax over it and one other. */
  #odds(position: Float32Array, row: Row, other: Row): number {
    const [probability = NaN] = this.#share(position, [row, other]);
    // A comparison with NaN would read as safe.
    if (!Number.isFinite(probability)) throw nonFinite('A probability is not a finite number');
    return probability;
  }

  #probabilities(labelLogits: Float32Array): Verdict['labelProbabilities'] {
    const probabilities = this.#softmax(labelLogits);
    return this.#labels.texts.map((text, row) => ({ text, probability: probabilities[row] ?? 0 }));
  }
}

const itself = (row: Row): Row => row;

/** The candidate with the largest logit; of equal ones the one with the lowest row. */
function likeliest<T>(position: Float32Array, candidates: readonly T[], rowOf: (candidate: T) => Row): T {
  return candidates.reduce((best, candidate) => {
    const difference = (position[rowOf(candidate)] ?? NaN) - (position[rowOf(best)] ?? NaN);
    return difference > 0 || (difference === 0 && rowOf(candidate) < rowOf(best)) ? candidate : best;
  });
}

function checkedThresholds(thresholds: Thresholds): Thresholds {
  const { review, block } = thresholds;
  const numbers = [review, block].every((threshold) => typeof threshold === 'number');
  if (numbers && review > 0 && review <= block && block <= 1) return thresholds;
  const expected = 'thresholds must be numbers with 0 < review <= block <= 1';
  const found = numbers ? `${review} and ${block}` : `${typeof review} and ${typeof block}`;
  throw new LlamaGuardError('ERR_LLAMA_GUARD_INVALID_ARGUMENT', `${expected}, found ${found}`);
}

function choices(categories: readonly ScoredCategory[], labels: LabelSet): readonly Choice[] {
  if (categories.length === 0) throw unknownCategory('Expected at least one category, found none');
  return categories.map(({ code, name }) => {
    const row = labels.numbers.get(code);
    if (row !== undefined) return { code, name, row };
    throw unknownCategory(`Expected codes that the model can say (${labels.codes.join(', ')}), found ${code}`);
  });
}

function nonFinite(message: string): LlamaGuardError {
  return new LlamaGuardError('ERR_LLAMA_GUARD_NON_FINITE', message);
}

function unknownCategory(message: string): LlamaGuardError {
  return new LlamaGuardError('ERR_LLAMA_GUARD_UNKNOWN_CATEGORY', message);
}
