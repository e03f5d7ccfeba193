// SPDX-License-Identifier: Apache-2.0
// Checks and defaults of everything that a caller passes beside the conversation. A name that is not known is an
// error: a guard must not run without a threshold because somebody misspelt it.

import type { PrefixCacheLimits } from '../kv-cache/prefix-cache.js';
import type { EngineOptions } from '../native/addon.js';
import type { Category } from '../prompt/taxonomy.js';
import type { PolicyRequest } from '../prompt/policy.js';
import type { Thresholds } from '../scoring/scores.js';
import type { CallLimits } from '../scheduling/call-control.js';
import { embeddedModel } from './embedded-model.js';
import { callback, flag, integer, invalid, probability, record } from './option-values.js';
import type { SpanListener } from './telemetry.js';

/** Options of `LlamaGuard.load`. */
export interface LoadOptions {
  /** Threads that compute, 0 to 256; 0 = the CPUs that this process may use. Default: LLAMA_GUARD_THREADS, else 0. */
  readonly threads?: number;
  /** Instruction set to force, one of `info.isas`. Default: LLAMA_GUARD_ISA, else the best that this CPU has. */
  readonly isa?: string;
  /** Policies (with judged role) whose computed prefix is kept, 0 to 1024. Default 4; 0 keeps none. */
  readonly policyCacheEntries?: number;
  /** Bytes that those prefixes may take together. Default 64 MiB; the official policy takes 3.3 MB of them. */
  readonly policyCacheBytes?: number;
  /** Whether policies are kept at all. Default true; false is the same as `policyCacheEntries: 0`. */
  readonly cache?: boolean;
  /**
   * Whether computed policies are saved on disk and mapped at the next start (docs/prefix-cache.md): true for a folder
   * beside the model or, where that cannot be written, in the user's cache; or the folder to use. Default:
   * LLAMA_GUARD_SNAPSHOTS (`off`, or a folder), else true.
   */
  readonly snapshots?: boolean | string;
  /** Calls that may wait for others, 0 to 1,000,000; one more is refused with ERR_LLAMA_GUARD_OVERLOADED. Default 256. */
  readonly maxQueue?: number;
  /** Called with every timing span when it ends. */
  readonly onSpan?: SpanListener;
}

/** Options of `LlamaGuard.moderate`. */
export interface ModerateOptions {
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

/** P(unsafe) from which on an action follows, with 0 < review <= block <= 1. */
export interface ThresholdOptions {
  /** From here on a person should look. Default: the same as `block`. */
  readonly review?: number;
  /** From here on the message is flagged. Default 0.5. */
  readonly block?: number;
}

/** Environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where snapshots of policies go. */
export interface SnapshotSettings {
  /** The only folder to use; default: beside the model, then the user's cache. */
  readonly folder?: string;
  readonly env: Environment;
}

/** `LoadOptions` with every default applied. */
export interface EngineSettings {
  readonly engine: EngineOptions;
  readonly cache: PrefixCacheLimits;
  readonly snapshots: SnapshotSettings | undefined;
  readonly maxQueue: number;
  readonly onSpan?: SpanListener;
}

/** `ModerateOptions` with every default applied. */
export interface CallSettings extends CallLimits {
  readonly thresholds: Thresholds;
  readonly policy: PolicyRequest;
  readonly labels: boolean;
  readonly logits: boolean;
}

export const defaultThreshold = 0.5;
export const maxThreads = 256;
const maxCacheEntries = 1024;
const defaultCacheEntries = 4;
const defaultCacheBytes = 64 * 2 ** 20;
const defaultQueue = 256;
const largestQueue = 1_000_000;
/** What a timer of Node can hold. */
const longestTimeoutMs = 2 ** 31 - 1;

/** The model folder: as given, else LLAMA_GUARD_MODEL, else the embedded demo model. */
export function modelFolder(path: unknown, env: Environment): string {
  if (path === undefined) return env['LLAMA_GUARD_MODEL'] || embeddedModel();
  if (typeof path !== 'string' || path === '') throw invalid('path must be the path of a model folder', path);
  return path;
}

const loadOptionNames = ['threads', 'isa', 'policyCacheEntries', 'policyCacheBytes', 'cache', 'snapshots', 'maxQueue', 'onSpan'];
/** Names of `ModerateOptions`. */
export const callOptionNames = ['threshold', 'thresholds', 'categories', 'exclude', 'labels', 'logits', 'signal', 'timeoutMs'];

export function loadSettings(options: unknown, env: Environment): EngineSettings {
  const given = record('load()', options, loadOptionNames);
  const onSpan = callback<SpanListener>('onSpan', given['onSpan']);
  return {
    engine: { threads: threads(given['threads'], env), isa: isaName(given['isa'], env) },
    cache: cacheLimits(given),
    snapshots: snapshotSettings(given['snapshots'], env),
    maxQueue: integer('maxQueue', given['maxQueue'], largestQueue) ?? defaultQueue,
    ...(onSpan === undefined ? {} : { onSpan }),
  };
}

export function callSettings(options: unknown): CallSettings {
  const given = record('moderate()', options, callOptionNames);
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
  if (single !== undefined) throw invalid('moderate() takes threshold or thresholds', 'both');
  const given = record('thresholds', both, ['review', 'block']);
  const block = probability('thresholds.block', given['block']) ?? defaultThreshold;
  const review = probability('thresholds.review', given['review']) ?? block;
  if (review > block) throw invalid(`thresholds.review must be at most thresholds.block, which is ${block}`, review);
  return { review, block };
}

function cacheLimits(given: Readonly<Record<string, unknown>>): PrefixCacheLimits {
  const entries = integer('policyCacheEntries', given['policyCacheEntries'], maxCacheEntries) ?? defaultCacheEntries;
  const bytes = integer('policyCacheBytes', given['policyCacheBytes'], Number.MAX_SAFE_INTEGER) ?? defaultCacheBytes;
  return { entries: flag('cache', given['cache'], true) ? entries : 0, bytes };
}

function snapshotSettings(option: unknown, env: Environment): SnapshotSettings | undefined {
  const wanted = option === undefined ? env['LLAMA_GUARD_SNAPSHOTS'] || true : option;
  if (wanted === false || (option === undefined && wanted === 'off')) return undefined;
  if (wanted === true) return { env };
  if (typeof wanted === 'string' && wanted !== '') return { folder: wanted, env };
  throw invalid('snapshots must be true, false or a folder', wanted);
}

function abortSignal(option: unknown): AbortSignal | undefined {
  if (option === undefined || option instanceof AbortSignal) return option;
  throw invalid('signal must be an AbortSignal', option);
}

function threads(option: unknown, env: Environment): number {
  const fromEnv = env['LLAMA_GUARD_THREADS'];
  if (option !== undefined || !fromEnv) return integer('threads', option, maxThreads) ?? 0;
  const value = /^\d+$/.test(fromEnv) ? Number(fromEnv) : fromEnv;
  return integer('LLAMA_GUARD_THREADS', value, maxThreads) ?? 0;
}

function isaName(option: unknown, env: Environment): string {
  if (option !== undefined && typeof option !== 'string') throw invalid('isa must be a string', option);
  return option ?? env['LLAMA_GUARD_ISA'] ?? '';
}
