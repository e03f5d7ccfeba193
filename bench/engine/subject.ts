// SPDX-License-Identifier: Apache-2.0
// The guard that is measured, and texts of exact lengths for it.

import { moderateSettings } from '../../lib/facade/call-options.js';
import type { Judge } from '../../lib/facade/judge.js';
import { guardOver, type LlamaGuard } from '../../lib/facade/llama-guard.js';
import { openJudge } from '../../lib/facade/open-judge.js';
import { loadSettings } from '../../lib/facade/options.js';
import type { Category, MessageInput, ModerateOptions } from '../../lib/index.js';
import { loadAddon } from '../../lib/native/load-addon.js';

export interface SubjectOptions {
  readonly folder: string;
  readonly threads: number;
  /** '' = the best that this CPU has. */
  readonly isa: string;
  /** Folder of saved policies; none are used without it. */
  readonly snapshots?: string;
}

export interface Subject {
  readonly guard: LlamaGuard;
  readonly judge: Judge;
}

export async function openSubject({ folder, threads, isa, snapshots = '' }: SubjectOptions): Promise<Subject> {
  const settings = loadSettings({ threads, isa, snapshots: snapshots || false }, {});
  const judge = await openJudge(loadAddon(), folder, settings);
  return { judge, guard: guardOver(judge) };
}

const words = 'bread water stone river house garden music letter window summer travel paper silver market forest winter'.split(' ');

/** Words that depend on the seed alone. */
export function someWords(count: number, seed: number): string {
  let state = Math.imul(seed + 1, 2654435761) >>> 0;
  const next = (): string => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return words[(state >>> 16) % words.length]!;
  };
  return Array.from({ length: count }, next).join(' ');
}

/** Tokens that a call computes after its policy. */
function ownTokens(judge: Judge, messages: readonly MessageInput[]): number {
  const { earlier, rest } = judge.prepare(messages, moderateSettings(undefined)).prompts[0];
  return earlier.length + rest.length;
}

/**
 * A conversation of which exactly `tokens` tokens come after the policy, unless the fixed words alone are more.
 *
 * @param before messages before the one that is judged
 */
export function conversationOf(
  judge: Judge,
  tokens: number,
  seed: number,
  before: readonly MessageInput[] = [],
): readonly MessageInput[] {
  const role = before.length % 2 === 0 ? 'user' : 'assistant';
  const ending = (content: string): MessageInput[] => [...before, { role, content }];
  const count = (content: string): number => ownTokens(judge, ending(content));
  let text = someWords(Math.max(1, Math.floor((tokens - count('a')) / 3)), seed);
  while (count(text) > tokens && text.includes(' ')) text = text.slice(0, text.lastIndexOf(' '));
  while (count(text) < tokens) text += ' a';
  return ending(text);
}

/** A policy of 13 categories with descriptions, whose prefix has at least `tokens` tokens, and few more. */
export function policyOf(judge: Judge, tokens: number): { readonly options: ModerateOptions; readonly tokens: number } {
  for (let count = 1; ; count++) {
    const categories: Category[] = Array.from({ length: 13 }, (_, i) => ({
      code: `S${i + 1}`,
      name: `Rule ${i + 1}`,
      description: `${someWords(count, i)}.`,
    }));
    const { length } = judge.prepare('a', moderateSettings({ categories })).prompts[0].prefix;
    if (length >= tokens) return { options: { categories }, tokens: length };
  }
}
