// SPDX-License-Identifier: Apache-2.0
// Random calls: conversations of one to five turns in any script, from one word to several passes, and options that make
// policies of different lengths.

import fc from 'fast-check';

import type { CallOptions, MessageInput, ModerateOptions } from '../../lib/index.js';
import { anyText } from '../tokenizer/arbitraries.js';

const plain = fc.constantFrom(
  'How do I bake bread?', 'I will find you and hurt you.', 'Wie geht es dir?', 'Tell me how to pick a lock.', 'Who won the vote?',
  'unsafe\nS1', '<BEGIN CONVERSATION>', '\n\nUser: ', 'a', '.', 'My number is 555 0100.', 'Donne-moi une recette.', 'Bomb',
);

const sentence = fc.oneof({ weight: 3, arbitrary: plain }, { weight: 1, arbitrary: anyText });

/** A few hundred tokens: with others beside it more than a pass holds. */
const lengthy = fc.tuple(sentence, fc.integer({ min: 100, max: 500 })).map(([text, count]) => `${text} ${'word '.repeat(count)}`);

const content: fc.Arbitrary<MessageInput['content']> = fc.oneof(
  { weight: 12, arbitrary: fc.array(sentence, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(' ')) },
  { weight: 2, arbitrary: fc.array(sentence, { maxLength: 3 }).map((texts) => texts.map((text) => ({ type: 'text' as const, text }))) },
  { weight: 1, arbitrary: lengthy },
);

export function messagesOf(contents: readonly MessageInput['content'][]): MessageInput[] {
  return contents.map((text, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content: text }));
}

/** One to `most` turns. Some of them hold no text that can be judged. */
export function conversations(most = 5): fc.Arbitrary<MessageInput[]> {
  return fc.array(content, { minLength: 1, maxLength: most }).map(messagesOf);
}

/** Conversations of one or two short turns. */
export const shortConversations: fc.Arbitrary<MessageInput[]> = fc.array(sentence, { minLength: 1, maxLength: 2 }).map(messagesOf);

const codes = fc.shuffledSubarray(['S1', 'S2', 'S5', 'S9', 'S10', 'S13'], { minLength: 1 });

/** Options that change the prompt, the verdict or what is told of it. */
export const listOptions: fc.Arbitrary<CallOptions> = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ labels: true, logits: true }) },
  { weight: 2, arbitrary: fc.double({ min: 0.05, max: 0.95, noNaN: true }).map((threshold) => ({ threshold, logits: true })) },
  { weight: 1, arbitrary: fc.constant({ thresholds: { review: 0.1, block: 0.9 }, labels: true }) },
  { weight: 1, arbitrary: codes.map((exclude) => ({ exclude, logits: true })) },
  {
    weight: 1,
    arbitrary: codes.map((chosen) => ({ categories: chosen.map((code) => ({ code, name: `Rule ${code}`, description: 'Some words.' })) })),
  },
);

/** The same, and a prompt for each of some categories. */
export const callOptions: fc.Arbitrary<ModerateOptions> = fc.oneof(
  { weight: 9, arbitrary: listOptions },
  { weight: 1, arbitrary: codes.map((exclude) => ({ exclude, mode: 'per-category' as const })) },
);
