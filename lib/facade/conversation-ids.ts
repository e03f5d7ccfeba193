// SPDX-License-Identifier: Apache-2.0
// The token ids of what follows the policy in a prompt: the conversation, whole or with its last message in windows.

import { LlamaGuardError } from '../errors/index.js';
import type { Container } from '../loading/container.js';
import type { Role, Turn } from '../prompt/conversation.js';
import { encodeParts } from '../prompt/encode.js';
import { type PromptPart, renderEarlier, renderLast } from '../prompt/render.js';
import { checkCount, cutWindows, minWindowTokens, TokenLine } from '../prompt/windows.js';

/** Tokens that a text may gain at its ends when it is cut out and stands between other words. */
const seamTokens = 8;

/** What follows the policy, in one prompt or in several. */
export interface ConversationIds {
  /** All turns but the last. */
  readonly earlier: Uint32Array;
  /** The last turn, or windows of it, each with the instruction. Not empty. */
  readonly lasts: readonly Uint32Array[];
  /** Tokens of the message in each window; only where it was cut. */
  readonly windows?: readonly number[];
}

export class ConversationEncoder {
  readonly #container: Container;
  readonly #turns: readonly Turn[];
  readonly #role: Role;
  readonly #texts: readonly string[];
  /** Tokens of the context that the policy and the verdict leave. */
  readonly #room: number;

  /** @param taken tokens that the policy and the verdict need */
  constructor(container: Container, turns: readonly Turn[], taken: number) {
    const last = turns.at(-1);
    this.#container = container;
    this.#turns = turns;
    this.#role = last?.role ?? 'user';
    this.#texts = last?.texts ?? [];
    this.#room = container.config.dims.contextLength - taken;
  }

  /**
   * The conversation as it is.
   *
   * @throws {ERR_LLAMA_GUARD_CONTEXT_OVERFLOW} it does not fit
   */
  whole(): ConversationIds {
    const [earlier, last] = [renderEarlier(this.#turns), renderLast(this.#role, this.#texts)];
    checkBytes(this.#container, [...earlier, ...last], this.#room);
    const ids = { earlier: this.#encode(earlier), lasts: [this.#encode(last)] };
    this.#checkTokens(ids.earlier.length + (ids.lasts[0]?.length ?? 0));
    return ids;
  }

  /**
   * The conversation as it is, or, where it does not fit or its last message has more tokens than a window may have, in
   * windows of that message, all after the same earlier turns.
   *
   * @throws {ERR_LLAMA_GUARD_CONTEXT_OVERFLOW} the earlier turns leave too little room, or too many windows are needed
   */
  windows(wantedTokens: number): ConversationIds {
    const frame = renderLast(this.#role, ['']);
    checkBytes(this.#container, [...renderEarlier(this.#turns), ...frame], this.#room);
    const earlier = this.#encode(renderEarlier(this.#turns));
    const frameTokens = this.#encode(frame).length;
    const mostIds = this.#room - earlier.length;
    const windowTokens = Math.min(wantedTokens, mostIds - frameTokens - seamTokens);
    this.#checkWindowBytes(Math.max(windowTokens, minWindowTokens));
    const line = new TokenLine(this.#texts, this.#container.tokenizer, this.#encodeLast(['', '']).length - frameTokens);
    if (line.length <= Math.min(wantedTokens, mostIds)) {
      const last = this.#encodeLast(this.#texts);
      if (last.length <= mostIds) return { earlier, lasts: [last] };
    }
    if (windowTokens < minWindowTokens) this.#checkTokens(earlier.length + frameTokens + seamTokens + minWindowTokens);
    const windows = cutWindows(line, { windowTokens, mostIds, encode: (texts) => this.#encodeLast(texts) });
    return { earlier, lasts: windows.map(({ ids }) => ids), windows: windows.map(({ tokens }) => tokens) };
  }

  #encodeLast(texts: readonly string[]): Uint32Array {
    return this.#encode(renderLast(this.#role, texts));
  }

  #encode(parts: readonly PromptPart[]): Uint32Array {
    return encodeParts(parts, this.#container.tokenizer);
  }

  /** Refuses a message that would need too many windows whatever its tokens are. */
  #checkWindowBytes(windowTokens: number): void {
    const bytes = this.#texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    checkCount(Math.ceil(bytes / this.#container.tokenizer.maxTokenBytes / windowTokens));
  }

  #checkTokens(tokens: number): void {
    if (tokens > this.#room) throw overflow(this.#container, `The conversation needs ${tokens} tokens`, this.#room);
  }
}

/**
 * Refuses parts of a prompt that cannot fit whatever their tokens are, before time goes into finding them.
 *
 * @param room tokens that there are for them
 * @throws {ERR_LLAMA_GUARD_CONTEXT_OVERFLOW}
 */
export function checkBytes(container: Container, parts: readonly PromptPart[], room: number): void {
  const bytes = parts.reduce((sum, part) => sum + ('text' in part ? Buffer.byteLength(part.text) : 0), 0);
  const leastTokens = Math.ceil(bytes / container.tokenizer.maxTokenBytes);
  if (leastTokens > room) throw overflow(container, `${bytes} bytes of the prompt need at least ${leastTokens} tokens`, room);
}

function overflow({ config }: Container, need: string, room: number): LlamaGuardError {
  const { contextLength } = config.dims;
  const left = `${Math.max(0, room)} of the ${contextLength} in the context of the model are left`;
  return new LlamaGuardError('ERR_LLAMA_GUARD_CONTEXT_OVERFLOW', `${need}, ${left}`);
}
