// SPDX-License-Identifier: Apache-2.0
// Turns what a caller passes (a text, or messages) into a checked conversation. Errors name positions and roles,
// never the text of a message.

import { LlamaGuardError } from '../errors/index.js';

export type Role = 'user' | 'assistant';

/** One piece of a message's content. Only text can be judged. */
export interface TextPart {
  readonly type: 'text';
  readonly text: string;
}

/** A message as callers write it. */
export interface MessageInput {
  /** `agent`, the prompt's own word, is the same as `assistant`. */
  readonly role: Role | 'agent';
  readonly content: string | readonly TextPart[];
}

/** A text, which is judged as a user's message, or messages whose roles alternate; the last one is judged. */
export type ConversationInput = string | readonly MessageInput[];

/** A checked message. The prompt names the speaker before each of its texts; a plain message has one. */
export interface Turn {
  readonly role: Role;
  readonly texts: readonly string[];
}

// What Python's str.strip() removes, which the official template trims with: unlike String.prototype.trim it removes
// U+001C..U+001F and U+0085 and keeps U+FEFF.
const pythonSpace = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

/** `text` without the white space around it, as the official template trims it. Linear in the length of the text. */
export function trimText(text: string): string {
  let begin = 0;
  let end = text.length;
  while (begin < end && pythonSpace.test(text.charAt(begin))) begin++;
  while (end > begin && pythonSpace.test(text.charAt(end - 1))) end--;
  return text.slice(begin, end);
}

/**
 * A checked conversation, ready to render.
 *
 * @param input a text (judged as one user message), or messages whose roles alternate, beginning with `user`. The last
 *   message is the one that is judged.
 * @throws {ERR_LLAMA_GUARD_EMPTY_CONVERSATION} no message, or nothing but white space in the last one
 * @throws {ERR_LLAMA_GUARD_ROLE_ORDER} a role that does not alternate or is none of the known ones
 * @throws {ERR_LLAMA_GUARD_INVALID_ARGUMENT} something that is not a text, a message or a text part
 */
export function normalizeConversation(input: ConversationInput): readonly Turn[] {
  const messages: unknown = typeof input === 'string' ? [{ role: 'user', content: input }] : input;
  if (!Array.isArray(messages)) throw invalid(`Expected a text or an array of messages, found ${kindOf(messages)}`);
  const turns = Array.from(messages, checkedTurn);
  const last = turns.at(-1);
  if (last === undefined) throw empty('Expected at least one message, found an empty list');
  if (last.texts.every((text) => trimText(text) === '')) {
    throw empty(`Expected text in the message to judge (messages[${turns.length - 1}]), found none`);
  }
  return turns;
}

function checkedTurn(message: unknown, index: number): Turn {
  if (typeof message !== 'object' || message === null || Array.isArray(message)) {
    throw invalid(`messages[${index}] must be an object with role and content, found ${kindOf(message)}`);
  }
  const { role, content } = message as { role?: unknown; content?: unknown };
  return { role: checkedRole(role, index), texts: checkedTexts(content, index) };
}

function checkedRole(role: unknown, index: number): Role {
  const known = role === 'agent' ? 'assistant' : role;
  const expected: Role = index % 2 === 0 ? 'user' : 'assistant';
  if (known === expected) return expected;
  const found = typeof role === 'string' ? JSON.stringify(role.slice(0, 32)) : kindOf(role);
  throw new LlamaGuardError(
    'ERR_LLAMA_GUARD_ROLE_ORDER',
    `messages[${index}].role must be "${expected}" (roles alternate, beginning with "user"), found ${found}`,
  );
}

function checkedTexts(content: unknown, index: number): readonly string[] {
  if (typeof content === 'string') return [content];
  if (!Array.isArray(content)) {
    throw invalid(`messages[${index}].content must be a text or an array of text parts, found ${kindOf(content)}`);
  }
  return Array.from(content, (part: unknown, at) => checkedPart(part, `messages[${index}].content[${at}]`));
}

function checkedPart(part: unknown, path: string): string {
  const { type, text } = (typeof part === 'object' && part !== null ? part : {}) as { type?: unknown; text?: unknown };
  if (type === 'text' && typeof text === 'string') return text;
  const found = typeof type === 'string' ? `type ${JSON.stringify(type.slice(0, 32))}` : kindOf(part);
  throw invalid(`${path} must be {type: "text", text}: only text can be judged; found ${found}`);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : typeof value;
}

function invalid(message: string): LlamaGuardError {
  return new LlamaGuardError('ERR_LLAMA_GUARD_INVALID_ARGUMENT', message);
}

function empty(message: string): LlamaGuardError {
  return new LlamaGuardError('ERR_LLAMA_GUARD_EMPTY_CONVERSATION', message);
}
