// SPDX-License-Identifier: Apache-2.0
// The error class of the package: recognised by a registered symbol and a stable code, so that two copies of it agree.

import { type ErrorCategory, type ErrorCode, type ErrorEntry, errorTable } from './codes.js';

export type { ErrorCategory, ErrorCode } from './codes.js';

const marker: unique symbol = Symbol.for('llama-guard-int4.error') as never;

/**
 * An error with a stable `code`. Its message says what was expected, what was found and what to do; it never holds
 * the text of a message that was judged.
 */
export class LlamaGuardError extends Error {
  readonly code: ErrorCode;
  readonly category: ErrorCategory;
  readonly [marker] = true;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    const entry: ErrorEntry = errorTable[code];
    super(`${message.replace(/\.$/, '')}. ${entry.hint}`, options);
    this.name = 'LlamaGuardError';
    this.code = code;
    this.category = entry.category;
  }

  /** Whether `value` is such an error, from this copy of the package or another one. */
  static isInstance(value: unknown): value is LlamaGuardError {
    return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[marker] === true;
  }
}

/** Turns what the addon throws (an Error with a `code`) into a LlamaGuardError; passes everything else through. */
export function fromNative(error: unknown): unknown {
  const code = (error as { code?: unknown } | null)?.code;
  if (!(error instanceof Error) || typeof code !== 'string' || !(code in errorTable)) return error;
  return new LlamaGuardError(code as ErrorCode, error.message, { cause: error });
}

/** Turns a failed file operation into a LlamaGuardError that names the path. */
export function fromFileSystem(error: unknown, path: string, doing: 'reading' | 'writing'): LlamaGuardError {
  if (LlamaGuardError.isInstance(error)) return error;
  const code = (error as NodeJS.ErrnoException | null)?.code ?? 'unknown error';
  if (doing === 'writing') {
    return new LlamaGuardError('ERR_LLAMA_GUARD_WRITE_FAILED', `Cannot write ${path} (${code})`, { cause: error });
  }
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new LlamaGuardError('ERR_LLAMA_GUARD_MODEL_NOT_FOUND', `${path} does not exist (${code})`, { cause: error });
  }
  return new LlamaGuardError('ERR_LLAMA_GUARD_UNREADABLE', `Cannot read ${path} (${code})`, { cause: error });
}
