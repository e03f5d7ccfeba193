// SPDX-License-Identifier: Apache-2.0
// Tells a JSON conversation from a plain text, and says so when something is neither quite.

import type { ConversationInput, MessageInput } from '../prompt/conversation.js';
import { UsageError } from './command.js';

/** Fields of one line in bulk, or of a conversation file. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The conversation in `text`; with kind `either`, the text itself where it does not look like one. The messages are
 * checked by whoever judges them.
 */
export function parseInput(text: string, kind: 'conversation' | 'either'): ConversationInput {
  const looksLikeOne = /^\s*(\[\s*\{|\{\s*"messages")/.test(text);
  if (kind === 'either' && !looksLikeOne) return text;
  const messages = messagesIn(parsed(text));
  if (messages === undefined) {
    throw new UsageError(`Expected a JSON array of messages, or an object with "messages"${orText(kind)}`);
  }
  return messages as readonly MessageInput[];

  function parsed(json: string): unknown {
    try {
      return JSON.parse(json);
    } catch {
      throw new UsageError(`The conversation is not valid JSON${orText(kind)}`);
    }
  }
}

function messagesIn(value: unknown): readonly unknown[] | undefined {
  const messages = isJsonObject(value) && Object.hasOwn(value, 'messages') ? value['messages'] : value;
  return Array.isArray(messages) ? messages : undefined;
}

function orText(kind: 'conversation' | 'either'): string {
  return kind === 'either' ? ' (use --text to judge it as a text)' : '';
}
