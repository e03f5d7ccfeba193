// SPDX-License-Identifier: Apache-2.0
// Reads conversations with the reference decoder and gives the logits that a verdict is made of.

import { type DecoderOptions, ReferenceDecoder } from './decoder.js';
import type { ReferenceModel } from './model.js';
import type { Message, ReferenceTokenizer } from './text.js';

/** Continuation of the prompt whose logits are compared: what a model says that finds the conversation unsafe. */
export const continuation = ['\n\n', 'unsafe', '\n', 'S'] as const;

/** Label logits at the end of the prompt and after each token of the continuation. */
export type Readings = readonly Float64Array[];

/** Judges conversations one after the other; what two prompts share at their beginning is computed once a role. */
export class ReferenceJudge {
  private readonly earlier = new Map<string, { tokens: readonly number[]; decoder: ReferenceDecoder }>();
  private readonly suffix: readonly number[];

  constructor(
    private readonly model: ReferenceModel,
    private readonly tokenizer: ReferenceTokenizer,
    private readonly options: DecoderOptions,
  ) {
    this.suffix = continuation.map((text) => tokenizer.id(text));
  }

  read(messages: readonly Message[]): Readings {
    const tokens = [...this.tokenizer.encodePrompt(messages), ...this.suffix];
    const role = messages.at(-1)!.role;
    const earlier = this.earlier.get(role);
    const decoder = earlier?.decoder ?? new ReferenceDecoder(this.model, this.options);
    const differs = tokens.findIndex((token, i) => token !== earlier?.tokens[i]);
    // The last positions are always computed again: their logits are wanted.
    const shared = Math.min(differs < 0 ? tokens.length : differs, tokens.length - this.suffix.length - 1);
    decoder.truncate(shared);
    this.earlier.set(role, { tokens, decoder });
    return decoder.forward(tokens.slice(shared), this.suffix.length + 1);
  }
}
