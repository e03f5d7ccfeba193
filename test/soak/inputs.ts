// SPDX-License-Identifier: Apache-2.0
// What the soak sends: the same few conversations and answers again and again, so that what each gives alone is known.

import fc from 'fast-check';

import type { MessageInput, ModerateOptions } from '../../lib/index.js';
import { callOptions, conversations, messagesOf } from '../support/conversations.js';

export interface Input {
  readonly messages: readonly MessageInput[];
  readonly options: ModerateOptions;
}

/** Whole calls. A few of them hold nothing that can be judged. */
export function inputs(count: number, seed: number): Input[] {
  return fc.sample(fc.record({ messages: conversations(), options: callOptions }), { seed, numRuns: count });
}

/** The conversation before every streamed answer. */
export const question = messagesOf(['Tell me a story.']);

/** Answers in pieces of a few words. */
export const answers: readonly (readonly string[])[] = [6, 11, 17].map((count, answer) =>
  Array.from({ length: count }, (_, i) => ` piece ${i} of story ${answer}, and${i % 3 === 0 ? ' 寿司 🍣' : ''} so on.`),
);

/** Calls that are refused, with the code. */
export const faults: readonly (Input & { readonly code: string })[] = [
  { messages: [], options: {}, code: 'ERR_LLAMA_GUARD_EMPTY_CONVERSATION' },
  { messages: messagesOf([' \n\t']), options: {}, code: 'ERR_LLAMA_GUARD_EMPTY_CONVERSATION' },
  { messages: messagesOf(['a ', 'b']).reverse(), options: {}, code: 'ERR_LLAMA_GUARD_ROLE_ORDER' },
  { messages: messagesOf(['word '.repeat(5000)]), options: {}, code: 'ERR_LLAMA_GUARD_CONTEXT_OVERFLOW' },
  { messages: messagesOf(['x'.repeat(2 ** 21)]), options: {}, code: 'ERR_LLAMA_GUARD_CONTEXT_OVERFLOW' },
  { messages: messagesOf(['a']), options: { exclude: ['S99'] }, code: 'ERR_LLAMA_GUARD_UNKNOWN_CATEGORY' },
  { messages: messagesOf(['a']), options: { threshold: 2 }, code: 'ERR_LLAMA_GUARD_INVALID_ARGUMENT' },
];
