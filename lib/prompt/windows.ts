// SPDX-License-Identifier: Apache-2.0
// Cuts the texts of a message that is too long for one prompt into overlapping windows, each a message of its own.

import { LlamaGuardError } from '../errors/index.js';
import { trimText } from './conversation.js';

/** Windows of one message; bounds what a call may cost. */
export const maxWindows = 256;
/** Tokens of the smallest window that may be asked for. */
export const minWindowTokens = 128;
const minOverlapTokens = 64;

/** What this module needs of a tokenizer. */
export interface WindowTokenizer {
  encode(text: string): Uint32Array;
  /** For each token the UTF-16 offset of the character in which it begins, and the length of the text at the end. */
  offsets(text: string, ids: Uint32Array): Uint32Array;
}

/** What neighbouring windows of at most `windowTokens` tokens share, so that no short passage is cut in all of them. */
export function overlapOf(windowTokens: number): number {
  return Math.max(minOverlapTokens, windowTokens >> 3);
}

/** One text on the line. */
interface Stretch {
  readonly text: string;
  /** [tokens + 1] */
  readonly offsets: Uint32Array;
  /** Where its first token lies. */
  readonly begin: number;
}

/** The texts of a message, their tokens end to end, so that windows may span texts. Immutable. */
export class TokenLine {
  /** Tokens of all texts, with those that name the speaker before each text but the first. */
  readonly length: number;
  readonly #stretches: readonly Stretch[];

  /**
   * @param texts texts of nothing but white space are left out
   * @param speakerTokens what the prompt puts before each further text: it takes room in a window
   */
  constructor(texts: readonly string[], tokenizer: WindowTokenizer, speakerTokens: number) {
    const stretches: Stretch[] = [];
    let end = 0;
    for (const text of texts.map(trimText)) {
      if (text === '') continue;
      const ids = tokenizer.encode(text);
      const begin = end + (stretches.length > 0 ? speakerTokens : 0);
      stretches.push({ text, offsets: tokenizer.offsets(text, ids), begin });
      end = begin + ids.length;
    }
    this.#stretches = stretches;
    this.length = end;
  }

  /** What of the texts lies from token `begin` to before token `end`; whole characters, and no empty texts. */
  slice(begin: number, end: number): string[] {
    return this.#stretches
      .map(({ text, offsets, begin: first }) => {
        const at = (token: number): number => offsets[Math.min(Math.max(token - first, 0), offsets.length - 1)] ?? 0;
        return text.slice(at(begin), at(end));
      })
      .filter((text) => text !== '');
  }
}

/** One window of a message. */
export interface Window {
  /** Tokens of the message in it. */
  readonly tokens: number;
  /** As `encode` gives them. */
  readonly ids: Uint32Array;
}

export interface Cut {
  /** Tokens of the line in a window, at least `minWindowTokens`. */
  readonly windowTokens: number;
  /** The ids of a prompt about these texts. */
  readonly encode: (texts: readonly string[]) => Uint32Array;
  /** How many ids there may be: where a window has more, since a text cut out has other tokens, it is made smaller. */
  readonly mostIds: number;
}

/**
 * Windows of about the same size that cover the line, neighbours overlapping by `overlapOf(windowTokens)` tokens.
 * White space alone makes no window.
 *
 * @throws {ERR_LLAMA_GUARD_CONTEXT_OVERFLOW} more than `maxWindows` are needed
 */
export function cutWindows(line: TokenLine, { windowTokens, encode, mostIds }: Cut): Window[] {
  const overlap = overlapOf(windowTokens);
  const windows: Window[] = [];
  for (let begin = 0, end = 0; end < line.length; begin = end - overlap) {
    const left = line.length - begin;
    const needed = Math.max(1, Math.ceil((left - overlap) / (windowTokens - overlap)));
    checkCount(windows.length + needed);
    end = begin + Math.min(left, Math.ceil((left - overlap) / needed) + overlap);
    let texts = line.slice(begin, end);
    let ids = encode(texts);
    while (ids.length > mostIds) {
      // At least a sixteenth, so that a text made for it cannot have many attempts.
      end -= Math.max(ids.length - mostIds, (end - begin) >> 4);
      if (end - begin <= overlap) throw overflow(`A window of ${overlap} tokens does not fit`);
      texts = line.slice(begin, end);
      ids = encode(texts);
    }
    if (texts.some((text) => trimText(text) !== '')) windows.push({ tokens: end - begin, ids });
  }
  return windows;
}

/** @throws {ERR_LLAMA_GUARD_CONTEXT_OVERFLOW} there are more than `maxWindows` */
export function checkCount(windows: number): void {
  if (windows > maxWindows) throw overflow(`The message needs ${windows} windows or more, at most ${maxWindows} are judged`);
}

function overflow(message: string): LlamaGuardError {
  return new LlamaGuardError('ERR_LLAMA_GUARD_CONTEXT_OVERFLOW', message);
}
