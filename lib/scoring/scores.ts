// SPDX-License-Identifier: Apache-2.0
// What a verdict is made of, and the arithmetic of category scores. docs/scores.md has the formulas and an example.

/** The native softmax: the same bits on every CPU. */
export type Softmax = (logits: Float32Array) => Float32Array;

/** A category as scoring sees it. */
export interface ScoredCategory {
  readonly code: string;
  readonly name: string;
}

/** A violated category with its score. */
export interface CategoryResult extends ScoredCategory {
  /** See `Verdict.categoryScores`. */
  readonly score: number;
}

/** One row of the head at the verdict position. */
export interface LabelProbability {
  readonly text: string;
  readonly probability: number;
}

/** What the thresholds make of a score: let the message pass, have a person look at it, or stop it. */
export type Action = 'allow' | 'review' | 'block';

export interface Thresholds {
  /** From which P(unsafe) on, inclusive, a person should look: above 0, at most `block`. */
  readonly review: number;
  /** From which P(unsafe) on, inclusive, the verdict is unsafe: at most 1. */
  readonly block: number;
}

/** @param score a finite number: NaN would compare as one that may pass */
export function actionOf(score: number, { review, block }: Thresholds): Action {
  if (score >= block) return 'block';
  return score >= review ? 'review' : 'allow';
}

export interface Verdict {
  /** Whether `score` reaches the threshold of `block`. */
  readonly flagged: boolean;
  /** `block` if and only if `flagged`; `review` where only the lower threshold is reached. */
  readonly action: Action;
  /** `unsafe` if and only if `flagged`. */
  readonly verdict: 'safe' | 'unsafe';
  /**
   * P(unsafe) = exp(unsafe) / (exp(safe) + exp(unsafe)) at the verdict position: a softmax over the logits of `safe`
   * and `unsafe` alone, the quantity that float references of the model give as p_unsafe.
   */
  readonly score: number;
  /** The violated categories, in the order in which the model lists them; empty when the action is `allow`. */
  readonly categories: readonly CategoryResult[];
  /**
   * For every category of the policy, the probability that the model lists it, as far as the decoded list shows: a
   * lower bound, at most `score`. Null when the action is `allow`: the categories were not asked for.
   */
  readonly categoryScores: Readonly<Record<string, number>> | null;
  /** Logits of all rows of the head at the verdict position, in row order: [rows]. */
  readonly labelLogits: Float32Array;
  /** The softmax of those. */
  readonly labelProbabilities: readonly LabelProbability[];
}

/** Adds up, along the decoded list, the probability that each category is listed. */
export class ScoreSheet {
  readonly #score: number;
  readonly #mass = new Map<string, number>();
  /** Probability that the list comes as far as the position at hand, given `unsafe`. */
  #reach = 1;

  /** @param score P(unsafe) */
  constructor(score: number, codes: readonly string[]) {
    this.#score = score;
    for (const code of codes) this.#mass.set(code, 0);
  }

  /**
   * Enters one position of the list.
   *
   * @param probabilities of each code that could stand there; they sum to 1
   * @param chosen the code that was decoded
   */
  enter(probabilities: ReadonlyMap<string, number>, chosen: string): void {
    for (const [code, probability] of probabilities) {
      this.#mass.set(code, (this.#mass.get(code) ?? 0) + this.#reach * probability);
    }
    this.#reach *= probabilities.get(chosen) ?? 0;
  }

  /** Enters that the list goes on after the chosen code, which has this probability. */
  goOn(probability: number): void {
    this.#reach *= probability;
  }

  /** The score of each code: at most P(unsafe), which rounding in the sums must not exceed. */
  scores(): Record<string, number> {
    const bounded = [...this.#mass].map(([code, mass]) => [code, Math.min(this.#score, this.#score * mass)] as const);
    return Object.fromEntries(bounded);
  }
}
