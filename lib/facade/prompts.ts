// SPDX-License-Identifier: Apache-2.0
// From what a caller passes to the token ids of a prompt, on the caller's thread. Refuses what cannot fit.

import { LlamaGuardError } from '../errors/index.js';
import type { Container } from '../loading/container.js';
import { type ConversationInput, normalizeConversation, type Role } from '../prompt/conversation.js';
import { encodeParts } from '../prompt/encode.js';
import { type Policy, resolvePolicy } from '../prompt/policy.js';
import { type PromptPart, renderPrompt } from '../prompt/render.js';
import type { Thresholds } from '../scoring/scores.js';
import type { CallSettings } from './options.js';

/** A call that only waits for its forward passes. */
export interface PreparedCall {
  readonly role: Role;
  readonly policy: Policy;
  readonly thresholds: Thresholds;
  /** The policy: the same for every call with this policy and judged role. */
  readonly prefix: Uint32Array;
  readonly rest: Uint32Array;
}

/**
 * Checks, renders and tokenizes a call.
 *
 * @throws what normalizeConversation and resolvePolicy throw
 * @throws {ERR_LLAMA_GUARD_CONTEXT_OVERFLOW} the prompt with its verdict is longer than the context
 */
export function prepareCall(
  container: Container,
  input: ConversationInput,
  settings: Pick<CallSettings, 'policy' | 'thresholds'>,
): PreparedCall {
  const { config, labels, tokenizer } = container;
  const messages = normalizeConversation(input);
  const policy = resolvePolicy(settings.policy, config.taxonomy, labels.codes);
  const { role, prefix, rest } = renderPrompt(messages, policy);
  checkBytes(container, [...prefix, ...rest]);
  const call = {
    role,
    policy,
    thresholds: settings.thresholds,
    prefix: encodeParts(prefix, tokenizer),
    rest: encodeParts(rest, tokenizer),
  };
  checkLength(container, call);
  return call;
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

function checkLength({ config, labels }: Container, call: PreparedCall): void {
  const prompt = call.prefix.length + call.rest.length;
  const room = verdictRoom(call.policy.categories.length, labels.separator.length);
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
