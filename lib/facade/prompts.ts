// SPDX-License-Identifier: Apache-2.0
// From what a caller passes to the token ids of prompts, on the caller's thread. Refuses what cannot fit.

import { LlamaGuardError } from '../errors/index.js';
import type { Container } from '../loading/container.js';
import { type ConversationInput, normalizeConversation, type Role } from '../prompt/conversation.js';
import { encodeParts } from '../prompt/encode.js';
import { type Policy, resolvePolicy } from '../prompt/policy.js';
import { type PromptPart, renderPrefix, renderPrompt } from '../prompt/render.js';
import type { Thresholds } from '../scoring/scores.js';
import type { CallSettings, ModerationMode } from './call-options.js';

/** A prompt that only waits for its forward passes. */
export interface PreparedPrompt {
  readonly policy: Policy;
  readonly thresholds: Thresholds;
  /** The policy: the same for every prompt with this policy and judged role. */
  readonly prefix: Uint32Array;
  readonly rest: Uint32Array;
}

/** The prompts of one call. */
export interface PreparedCall {
  readonly role: Role;
  readonly mode: ModerationMode;
  readonly thresholds: Thresholds;
  /** One, or in mode `per-category` one for each category. */
  readonly prompts: readonly [PreparedPrompt, ...PreparedPrompt[]];
}

/** What prompts depend on. */
export type PromptSettings = Pick<CallSettings, 'policy' | 'thresholds'> & { readonly mode?: ModerationMode };

/**
 * Checks, renders and tokenizes a call.
 *
 * @throws what normalizeConversation and resolvePolicy throw
 * @throws {ERR_LLAMA_GUARD_CONTEXT_OVERFLOW} a prompt with its verdict is longer than the context
 */
export function prepareCall(container: Container, input: ConversationInput, settings: PromptSettings): PreparedCall {
  const { config, labels, tokenizer } = container;
  const messages = normalizeConversation(input);
  const whole = resolvePolicy(settings.policy, config.taxonomy, labels.codes);
  const { mode = 'list', thresholds } = settings;
  const policies = mode === 'list' ? [whole] : whole.categories.map((category) => ({ categories: [category] }));
  const { role, rest } = renderPrompt(messages, whole);
  for (const policy of policies) checkBytes(container, [...renderPrefix(role, policy), ...rest]);
  const restTokens = encodeParts(rest, tokenizer);
  const promptOf = (policy: Policy): PreparedPrompt => {
    const prompt = { policy, thresholds, prefix: encodeParts(renderPrefix(role, policy), tokenizer), rest: restTokens };
    checkLength(container, prompt);
    return prompt;
  };
  const [first = whole, ...others] = policies;
  return { role, mode, thresholds, prompts: [promptOf(first), ...others.map(promptOf)] };
}

/** Refuses a text that cannot fit whatever its tokens are, before time goes into finding them. */
function checkBytes({ config, tokenizer }: Container, parts: readonly PromptPart[]): void {
  const bytes = parts.reduce((sum, part) => sum + ('text' in part ? Buffer.byteLength(part.text) : 0), 0);
  const leastTokens = Math.ceil(bytes / tokenizer.maxTokenBytes);
  const { contextLength } = config.dims;
  if (leastTokens <= contextLength) return;
  throw new LlamaGuardError(
    'ERR_LLAMA_GUARD_CONTEXT_OVERFLOW',
    `The prompt of ${bytes} bytes needs at least ${leastTokens} tokens, the context of the model has ${contextLength}`,
  );
}

function checkLength({ config, labels }: Container, { prefix, rest, policy }: PreparedPrompt): void {
  const prompt = prefix.length + rest.length;
  const room = verdictRoom(policy.categories.length, labels.separator.length);
  const { contextLength } = config.dims;
  if (prompt + room <= contextLength) return;
  throw new LlamaGuardError(
    'ERR_LLAMA_GUARD_CONTEXT_OVERFLOW',
    `The prompt needs ${prompt + room} tokens (${prompt}, and room for a verdict of ${room}), ` +
      `the context of the model has ${contextLength}`,
  );
}

/** The most tokens that a verdict feeds: "\n\n", "unsafe", "\n", "S", then a number and a separator per category. */
function verdictRoom(categories: number, separatorTokens: number): number {
  return 4 + (categories - 1) * (1 + separatorTokens);
}
