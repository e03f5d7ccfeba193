// SPDX-License-Identifier: Apache-2.0
// From what a caller passes to the token ids of prompts, on the caller's thread. Refuses what cannot fit.

import { LlamaGuardError } from '../errors/index.js';
import type { Container } from '../loading/container.js';
import { type ConversationInput, normalizeConversation, type Role } from '../prompt/conversation.js';
import { encodeParts } from '../prompt/encode.js';
import { type Policy, resolvePolicy } from '../prompt/policy.js';
import { renderPrefix } from '../prompt/render.js';
import type { Thresholds } from '../scoring/scores.js';
import type { CallSettings, ModerateSettings, ModerationMode } from './call-options.js';
import { checkBytes, ConversationEncoder } from './conversation-ids.js';

/** A prompt that only waits for its forward passes: policy, earlier turns and last turn, one after the other. */
export interface PreparedPrompt {
  readonly policy: Policy;
  readonly thresholds: Thresholds;
  /** The policy: the same for every prompt with this policy and judged role. */
  readonly prefix: Uint32Array;
  /** All turns but the last: the same for all windows of a message. */
  readonly earlier: Uint32Array;
  readonly rest: Uint32Array;
}

/** The prompts of one call. */
export interface PreparedCall {
  readonly role: Role;
  readonly mode: ModerationMode;
  readonly thresholds: Thresholds;
  /** [windows, or 1][questions]: in mode `per-category` a question for each category, else one. */
  readonly prompts: readonly [PreparedPrompt, ...PreparedPrompt[]];
  /** Tokens of the message in each window; only where it was cut. */
  readonly windows?: readonly number[];
}

/** What prompts depend on. */
export type PromptSettings = Pick<CallSettings, 'policy' | 'thresholds'> &
  Partial<Pick<ModerateSettings, 'mode' | 'overflow' | 'windowTokens'>>;

/**
 * Checks, renders and tokenizes a call.
 *
 * @throws what normalizeConversation and resolvePolicy throw
 * @throws {ERR_LLAMA_GUARD_CONTEXT_OVERFLOW} a prompt with its verdict is longer than the context, and may not be cut or
 *   cannot be
 */
export function prepareCall(container: Container, input: ConversationInput, settings: PromptSettings): PreparedCall {
  const { config, labels, tokenizer } = container;
  const { mode = 'list', thresholds, overflow = 'error', windowTokens = Infinity } = settings;
  const turns = normalizeConversation(input);
  const role = turns.at(-1)?.role ?? 'user';
  const whole = resolvePolicy(settings.policy, config.taxonomy, labels.codes);
  const policies = mode === 'list' ? [whole] : whole.categories.map((category) => ({ categories: [category] }));
  const questions = policies.map((policy) => {
    const parts = renderPrefix(role, policy);
    checkBytes(container, parts, config.dims.contextLength);
    return { policy, prefix: encodeParts(parts, tokenizer) };
  });
  const taken = questions.map(({ policy, prefix }) => {
    return prefix.length + verdictRoom(policy.categories.length, labels.separator.length);
  });
  const encoder = new ConversationEncoder(container, turns, Math.max(...taken));
  const { earlier, lasts, windows } = overflow === 'error' ? encoder.whole() : encoder.windows(windowTokens);
  const [first, ...others] = lasts.flatMap((rest) => {
    return questions.map((question): PreparedPrompt => ({ ...question, thresholds, earlier, rest }));
  });
  if (!first) throw new LlamaGuardError('ERR_LLAMA_GUARD_INTERNAL', 'A call has no prompt');
  return { role, mode, thresholds, prompts: [first, ...others], ...(windows ? { windows } : {}) };
}

/** The most tokens that a verdict feeds: "\n\n", "unsafe", "\n", "S", then a number and a separator per category. */
function verdictRoom(categories: number, separatorTokens: number): number {
  return 4 + (categories - 1) * (1 + separatorTokens);
}
