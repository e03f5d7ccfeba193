// SPDX-License-Identifier: Apache-2.0
// Reads conversations with the native engine as test/reference/judge.ts does with the reference: the label logits at
// the end of the prompt and after each token of what an unsafe verdict says. Tokenizes with the package.

import { type Container, openContainer } from '../../lib/loading/container.js';
import type { NativeModel, NativeSequence } from '../../lib/native/addon.js';
import { loadAddon } from '../../lib/native/load-addon.js';
import { normalizeConversation } from '../../lib/prompt/conversation.js';
import { encodeParts } from '../../lib/prompt/encode.js';
import { resolvePolicy } from '../../lib/prompt/policy.js';
import { renderPrompt } from '../../lib/prompt/render.js';
import { continuation } from '../reference/judge.js';
import { demoModel } from '../reference/heldout.js';
import type { Message } from '../reference/text.js';

/** Instruction sets that this CPU can run, narrowest first. */
export function supportedIsas(): string[] {
  return loadAddon()
    .isas()
    .filter((isa) => isa.supported)
    .map((isa) => isa.name);
}

/** The whole prompt of a conversation, as the package encodes it. */
export function promptTokens(container: Container, messages: readonly Message[]): number[] {
  const policy = resolvePolicy({}, container.config.taxonomy, container.labels.codes);
  const { prefix, rest } = renderPrompt(normalizeConversation(messages), policy);
  return [...encodeParts(prefix, container.tokenizer), ...encodeParts(rest, container.tokenizer)];
}

/** One model on one instruction set. */
export class NativeReader {
  private constructor(
    private readonly container: Container,
    private readonly model: NativeModel,
  ) {}

  static async open(options: { isa: string; threads: number }): Promise<NativeReader> {
    const container = await openContainer(demoModel);
    return new NativeReader(container, await loadAddon().loadModel(container.spec, options));
  }

  /** Logits of a conversation, row after row. `cuts` are the lengths of the passes, repeated; default: one pass. */
  async read(messages: readonly Message[], cuts: readonly number[] = [Infinity]): Promise<number[]> {
    const said = continuation.map((text) => this.container.tokenizer.encode(text)[0]!);
    const tokens = [...promptTokens(this.container, messages), ...said];
    const sequence = this.model.createSequence();
    try {
      return await this.feed(sequence, tokens, { cuts, wantedFrom: tokens.length - said.length - 1 });
    } finally {
      sequence.dispose();
    }
  }

  dispose(): void {
    this.model.dispose();
  }

  private async feed(
    sequence: NativeSequence,
    tokens: readonly number[],
    { cuts, wantedFrom }: { cuts: readonly number[]; wantedFrom: number },
  ): Promise<number[]> {
    const logits: number[] = [];
    for (let begin = 0, pass = 0; begin < tokens.length; pass++) {
      const end = Math.min(begin + cuts[pass % cuts.length]!, tokens.length);
      const wanted = Math.max(0, end - Math.max(begin, wantedFrom));
      const part = Uint32Array.from(tokens.slice(begin, end));
      logits.push(...(await this.model.forward([{ sequence, tokens: part, logits: wanted }])));
      begin = end;
    }
    return logits;
  }
}
