// SPDX-License-Identifier: Apache-2.0
// Checks and defaults of everything that a caller passes beside the conversation. A name that is not known is an
// error: a guard must not run without a threshold because somebody misspelt it.

import type { Category } from '../prompt/taxonomy.js';
import type { PolicyRequest } from '../prompt/policy.js';
import { minWindowTokens } from '../prompt/windows.js';
import type { Thresholds } from '../scoring/scores.js';
import type { CallLimits } from '../scheduling/call-control.js';
import { choice, flag, integer, invalid, probability, record } from './option-values.js';

/**
 * How the categories are asked for. `list`: one prompt with the whole policy, whose answer lists the violated ones.
 * `per-category`: a prompt for each category, with a policy of that one alone.
 */
export type ModerationMode = 'list' | 'per-category';

/** See `ModerateOptions.overflow`. */
export type OverflowMode = 'error' | 'window';

/** Options of every call that judges. */
export interface CallOptions {
  /** P(unsafe) from which on a message is flagged: above 0, at most 1. Default 0.5. */
  readonly threshold?: number;
  /** Two thresholds in place of `threshold`. */
  readonly thresholds?: ThresholdOptions;
  /** Replaces the model's categories. Codes must be ones that the model can say. */
  readonly categories?: readonly Category[];
  /** Codes of categories to leave out of the policy. */
  readonly exclude?: readonly string[];
  /** Adds `labels`, the softmax over all label rows at the verdict position. Default false. */
  readonly labels?: boolean;
  /** Adds `logits`, the raw logits of all label rows at the verdict position. Default false. */
  readonly logits?: boolean;
  /** Ends the call: it rejects at once with ERR_LLAMA_GUARD_ABORTED. */
  readonly signal?: AbortSignal;
  /** Milliseconds after which the call rejects with ERR_LLAMA_GUARD_DEADLINE, waiting included. Default: none. */
  readonly timeoutMs?: number;
}

/** Options of `LlamaGuard.moderate`. */
export interface ModerateOptions extends CallOptions {
  /** Default `list`. */
  readonly mode?: ModerationMode;
  /**
   * What becomes of a prompt that is longer than the context. `error`: it is refused with
   * ERR_LLAMA_GUARD_CONTEXT_OVERFLOW. `window`: the last message is judged in overlapping windows, after the same earlier
   * messages, and the window with the highest P(unsafe) gives the verdict. Default `error`.
   */
  readonly overflow?: OverflowMode;
  /**
   * With overflow `window`: the most tokens of the last message in one window, 128 to 1,048,576; a longer message is cut
   * even where it fits the context. Default: what the context has room for.
   */
  readonly windowTokens?: number;
}

/** P(unsafe) from which on an action follows, with 0 < review <= block <= 1. */
export interface ThresholdOptions {
  /** From here on a person should look. Default: the same as `block`. */
  readonly review?: number;
  /** From here on the message is flagged. Default 0.5. */
  readonly block?: number;
}

/** `CallOptions` with every default applied. */
export interface CallSettings extends CallLimits {
  readonly thresholds: Thresholds;
  readonly policy: PolicyRequest;
  readonly labels: boolean;
  readonly logits: boolean;
}

/** `ModerateOptions` with every default applied. */
export interface ModerateSettings extends CallSettings {
  readonly mode: ModerationMode;
  readonly overflow: OverflowMode;
  /** Infinity: what the context has room for. */
  readonly windowTokens: number;
}

const modes = ['list', 'per-category'] as const;
const overflowModes = ['error', 'window'] as const;
const maxWindowTokens = 2 ** 20;
const defaultThreshold = 0.5;
/** What a timer of Node can hold. */
const longestTimeoutMs = 2 ** 31 - 1;

/** Names of `CallOptions`. */
export const callOptionNames = ['threshold', 'thresholds', 'categories', 'exclude', 'labels', 'logits', 'signal', 'timeoutMs'];

export function moderateSettings(options: unknown): ModerateSettings {
  const given = record('moderate()', options, [...callOptionNames, 'mode', 'overflow', 'windowTokens']);
  const overflow = choice('overflow', given['overflow'], overflowModes, 'error');
  const windowTokens = integer('windowTokens', given['windowTokens'], maxWindowTokens, minWindowTokens);
  if (windowTokens !== undefined && overflow === 'error') throw invalid('windowTokens is for overflow window', windowTokens);
  const mode = choice('mode', given['mode'], modes, 'list');
  return { ...callSettings(given), mode, overflow, windowTokens: windowTokens ?? Infinity };
}

/** The settings among `given`, whose names have been checked. */
export function callSettings(given: Readonly<Record<string, unknown>>): CallSettings {
  const { categories, exclude } = given;
  const signal = abortSignal(given['signal']);
  const timeoutMs = integer('timeoutMs', given['timeoutMs'], longestTimeoutMs);
  return {
    thresholds: thresholds(given['threshold'], given['thresholds']),
    labels: flag('labels', given['labels'], false),
    logits: flag('logits', given['logits'], false),
    // resolvePolicy checks the form of both.
    policy: {
      ...(categories === undefined ? {} : { categories: categories as readonly Category[] }),
      ...(exclude === undefined ? {} : { exclude: exclude as readonly string[] }),
    },
    ...(signal === undefined ? {} : { signal }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
}

function thresholds(single: unknown, both: unknown): Thresholds {
  if (both === undefined) {
    const block = probability('threshold', single) ?? defaultThreshold;
    return { review: block, block };
  }
  if (single !== undefined) throw invalid('Either threshold or thresholds may be given', 'both');
  const given = record('thresholds', both, ['review', 'block']);
  const block = probability('thresholds.block', given['block']) ?? defaultThreshold;
  const review = probability('thresholds.review', given['review']) ?? block;
  if (review > block) throw invalid(`thresholds.review must be at most thresholds.block, which is ${block}`, review);
  return { review, block };
}

function abortSignal(option: unknown): AbortSignal | undefined {
  if (option === undefined || option instanceof AbortSignal) return option;
  throw invalid('signal must be an AbortSignal', option);
}
