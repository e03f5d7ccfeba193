// SPDX-License-Identifier: Apache-2.0
// Options of `guard.stream()` and what its checks report.

import type { MessageInput } from '../../prompt/conversation.js';
import { type CallOptions, type CallSettings, callOptionNames, callSettings } from '../call-options.js';
import { callback, choice, integer, invalid, record } from '../option-values.js';
import type { ModerationResult } from '../result.js';

/** What happens to text while it is not judged yet. */
export type StreamMode = 'buffer' | 'window' | 'audit';
/** What happens when a check finds the answer unsafe. */
export type ViolationAction = 'error' | 'replace' | 'stop';

/** One judgement of the answer so far. */
export interface StreamCheck {
  /** The verdict on the conversation with the answer as far as it had come. */
  readonly result: ModerationResult;
  /** UTF-16 units of the answer that it covers, from the start. */
  readonly length: number;
}

/** Options of `LlamaGuard.stream`. */
export interface StreamOptions extends CallOptions {
  /** The conversation up to the answer; its last message is the user's. */
  readonly messages: readonly MessageInput[];
  /**
   * `buffer`: no text leaves before a check that covers it has found it safe. `window`: text leaves when `holdBack` tokens
   * have come after it, judged or not. `audit`: all text passes at once, and the checks only report. Default `buffer`.
   */
  readonly mode?: StreamMode;
  /** New tokens, about, after which the answer is checked, 1 to 4096. Default 20. */
  readonly checkEvery?: number;
  /** In mode `window`, the tokens, about, that are held back, 0 to 65536. Default 40. */
  readonly holdBack?: number;
  /**
   * In modes `buffer` and `window`: `error` fails the stream with ERR_LLAMA_GUARD_UNSAFE, whose cause is the check; `stop`
   * ends it; `replace` ends it after `replacement`. Default `error`.
   */
  readonly onViolation?: ViolationAction;
  /** The last text of a stream that ends with `replace`. Default `[removed]`. */
  readonly replacement?: string;
  /** Called after every check. */
  readonly onCheck?: (check: StreamCheck) => void;
}

/** `StreamOptions` with every default applied. `timeoutMs` is each check's own. */
export interface StreamSettings {
  readonly call: CallSettings;
  readonly messages: readonly MessageInput[];
  readonly mode: StreamMode;
  readonly checkEvery: number;
  readonly holdBack: number;
  readonly onViolation: ViolationAction;
  readonly replacement: string;
  readonly onCheck: ((check: StreamCheck) => void) | undefined;
}

const ownNames = ['messages', 'mode', 'checkEvery', 'holdBack', 'onViolation', 'replacement', 'onCheck'];
const modes = ['buffer', 'window', 'audit'] as const;
const actions = ['error', 'replace', 'stop'] as const;
const defaultCheckEvery = 20;
const maxCheckEvery = 4096;
const defaultHoldBack = 40;
const maxHoldBack = 65_536;

/** The settings of a stream. What `messages` hold is checked where the first prompt is prepared. */
export function streamSettings(options: unknown): StreamSettings {
  const given = record('stream()', options, [...ownNames, ...callOptionNames]);
  const mode = choice('mode', given['mode'], modes, 'buffer');
  const { messages, replacement = '[removed]' } = given;
  if (!Array.isArray(messages)) throw invalid('messages must be the conversation before the answer', messages);
  if (typeof replacement !== 'string') throw invalid('replacement must be a string', replacement);
  for (const name of ['onViolation', 'replacement']) {
    if (mode === 'audit' && given[name] !== undefined) throw invalid(`mode audit lets all text pass and has no ${name}`, given[name]);
  }
  if (mode !== 'window' && given['holdBack'] !== undefined) throw invalid('holdBack is for mode window', given['holdBack']);
  return {
    call: callSettings(given),
    messages: messages as readonly MessageInput[],
    mode,
    checkEvery: integer('checkEvery', given['checkEvery'], maxCheckEvery, 1) ?? defaultCheckEvery,
    holdBack: integer('holdBack', given['holdBack'], maxHoldBack) ?? defaultHoldBack,
    onViolation: choice('onViolation', given['onViolation'], actions, 'error'),
    replacement,
    onCheck: callback('onCheck', given['onCheck']),
  };
}
