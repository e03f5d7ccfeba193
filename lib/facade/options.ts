// SPDX-License-Identifier: Apache-2.0
// Checks and defaults of what a guard is loaded with. A name that is not known is an error.

import type { PrefixCacheLimits } from '../kv-cache/prefix-cache.js';
import type { EngineOptions } from '../native/addon.js';
import { embeddedModel } from './embedded-model.js';
import { callback, flag, integer, invalid, record } from './option-values.js';
import type { SpanListener } from './telemetry.js';

/** Options of `LlamaGuard.load`. */
export interface LoadOptions {
  /** Threads that compute, 0 to 256; 0 = the CPUs that this process may use. Default: LLAMA_GUARD_THREADS, else 0. */
  readonly threads?: number;
  /** Instruction set to force, one of `info.isas`. Default: LLAMA_GUARD_ISA, else the best that this CPU has. */
  readonly isa?: string;
  /** Policies (with judged role) whose computed prefix is kept, 0 to 1024. Default 32; 0 keeps none. */
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

export const maxThreads = 256;
const maxCacheEntries = 1024;
/** The default policy and its 13 categories alone, for both roles, and some to spare. */
const defaultCacheEntries = 32;
const defaultCacheBytes = 64 * 2 ** 20;
const defaultQueue = 256;
const largestQueue = 1_000_000;

/** The model folder: as given, else LLAMA_GUARD_MODEL, else the embedded demo model. */
export function modelFolder(path: unknown, env: Environment): string {
  if (path === undefined) return env['LLAMA_GUARD_MODEL'] || embeddedModel();
  if (typeof path !== 'string' || path === '') throw invalid('path must be the path of a model folder', path);
  return path;
}

const loadOptionNames = ['threads', 'isa', 'policyCacheEntries', 'policyCacheBytes', 'cache', 'snapshots', 'maxQueue', 'onSpan'];

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
