// SPDX-License-Identifier: Apache-2.0
// From a conversation to a verdict: prepares a prompt (on the caller's thread), then runs its forward passes.
// Runs one call at a time; LlamaGuard queues them. Owns the model and the cache of policy prefixes.

import { fromNative, LlamaGuardError } from '../errors/index.js';
import { PrefixCache } from '../kv-cache/prefix-cache.js';
import type { Container } from '../loading/container.js';
import type { NativeAddon, NativeModel, NativeSequence } from '../native/addon.js';
import { type MessageInput, normalizeConversation, type Role } from '../prompt/conversation.js';
import { encodeParts } from '../prompt/encode.js';
import { type Policy, resolvePolicy } from '../prompt/policy.js';
import { type PromptPart, renderPrompt } from '../prompt/render.js';
import { displayName } from '../prompt/taxonomy.js';
import type { Verdict } from '../scoring/scores.js';
import { type DecodeStep, VerdictDecoder } from '../scoring/verdict-decoder.js';
import type { CallSettings, EngineSettings } from './options.js';
import type { GuardInfo, Usage } from './result.js';
import { packageVersion } from '../native/package-version.js';

/** Tokens of one forward pass; bounds the activations that the engine holds. Results do not depend on it. */
export const maxPassTokens = 512;

/** A call that only waits for its forward passes. */
export interface PreparedCall {
  readonly role: Role;
  readonly policy: Policy;
  readonly threshold: number;
  /** The policy: the same for every call with this policy and judged role. */
  readonly prefix: Uint32Array;
  readonly rest: Uint32Array;
}

export interface Judgement {
  readonly verdict: Verdict;
  readonly usage: Usage;
  readonly prefillMs: number;
  readonly decodeMs: number;
}

/** Counts the passes of one call. */
interface PassCounter {
  passes: number;
}

export class Judge {
  readonly model: NativeModel;
  readonly cache: PrefixCache;
  readonly #addon: NativeAddon;
  readonly #container: Container;

  constructor(addon: NativeAddon, container: Container, model: NativeModel, settings: EngineSettings) {
    this.#addon = addon;
    this.#container = container;
    this.model = model;
    this.cache = new PrefixCache(model, settings.cache);
  }

  get demo(): boolean {
    return this.#container.config.demo;
  }

  get info(): GuardInfo {
    const { config, folder } = this.#container;
    return {
      packageVersion: packageVersion(),
      modelPath: folder,
      demo: config.demo,
      isa: this.model.isa,
      isas: this.#addon.isas(),
      threads: this.model.threads,
      dims: config.dims,
      quantization: { layout: config.layout, group: config.group, embeddingGroup: config.embeddingGroup },
      labels: config.labels.map((label) => label.text),
      categories: config.taxonomy.map((category) => ({ code: category.code, name: displayName(category) })),
      weightBytes: this.model.weightBytes,
      kvBytesPerToken: this.model.kvBytesPerToken,
      policyCache: { entries: this.cache.entries, bytes: this.cache.bytes },
      ...(config.source === undefined ? {} : { source: config.source }),
    };
  }

  /** Checks and tokenizes a call. Throws what normalizeConversation and resolvePolicy throw, and CONTEXT_OVERFLOW. */
  prepare(input: string | readonly MessageInput[], settings: CallSettings): PreparedCall {
    const { config, labels, tokenizer } = this.#container;
    const messages = normalizeConversation(input);
    const policy = resolvePolicy(settings.policy, config.taxonomy, labels.codes);
    const { role, prefix, rest } = renderPrompt(messages, policy);
    this.#checkBytes([...prefix, ...rest]);
    const call = {
      role,
      policy,
      threshold: settings.threshold,
      prefix: encodeParts(prefix, tokenizer),
      rest: encodeParts(rest, tokenizer),
    };
    this.#checkLength(call);
    return call;
  }

  /** Runs the forward passes of a prepared call. */
  async judge(call: PreparedCall): Promise<Judgement> {
    const { labels } = this.#container;
    const softmax = this.#addon.softmax.bind(this.#addon);
    const decoder = new VerdictDecoder(labels, namedCategories(call.policy), { threshold: call.threshold, softmax });
    const counter: PassCounter = { passes: 0 };
    const beginMs = performance.now();
    const lease = await this.cache.acquire(call.prefix, async (sequence, tokens) => {
      await this.#feed(sequence, tokens, 0, counter);
    });
    try {
      let step = decoder.next();
      decoder.accept(await this.#firstPass(lease.sequence, call, step, counter));
      const prefillEndMs = performance.now();
      let base = call.prefix.length + call.rest.length;
      for (step = decoder.next(); step !== null; step = decoder.next()) {
        base += step.keep;
        lease.sequence.truncate(base);
        decoder.accept(await this.#feed(lease.sequence, Uint32Array.from(step.tokens), step.logits, counter));
      }
      const verdict = decoder.result();
      return {
        verdict,
        usage: this.#usage(call, verdict, lease.cachedTokens, counter),
        prefillMs: prefillEndMs - beginMs,
        decodeMs: performance.now() - prefillEndMs,
      };
    } finally {
      lease.sequence.dispose();
    }
  }

  /** Frees the model and all that is kept. No call may be running. */
  dispose(): void {
    this.cache.clear();
    this.model.dispose();
  }

  /** The rest of the prompt with what the decoder wants to see after it. */
  #firstPass(
    sequence: NativeSequence,
    call: PreparedCall,
    step: DecodeStep | null,
    counter: PassCounter,
  ): Promise<Float32Array> {
    const tokens = Uint32Array.from([...call.rest, ...(step?.tokens ?? [])]);
    return this.#feed(sequence, tokens, step?.logits ?? 1, counter);
  }

  /** Appends tokens in passes of at most `maxPassTokens`; the logits are those of the last `logits` tokens. */
  async #feed(
    sequence: NativeSequence,
    tokens: Uint32Array,
    logits: number,
    counter: PassCounter,
  ): Promise<Float32Array> {
    let begin = 0;
    while (tokens.length - begin > maxPassTokens) {
      // The first pass takes the remainder, so that the last one is full and holds every token that wants logits.
      const end = begin + ((tokens.length - begin) % maxPassTokens || maxPassTokens);
      await this.#pass(sequence, tokens.subarray(begin, end), 0, counter);
      begin = end;
    }
    return this.#pass(sequence, tokens.subarray(begin), logits, counter);
  }

  async #pass(
    sequence: NativeSequence,
    tokens: Uint32Array,
    logits: number,
    counter: PassCounter,
  ): Promise<Float32Array> {
    counter.passes++;
    try {
      return await this.model.forward([{ sequence, tokens, logits }]);
    } catch (error) {
      throw fromNative(error);
    }
  }

  #usage(call: PreparedCall, verdict: Verdict, cachedTokens: number, counter: PassCounter): Usage {
    const listed = verdict.categories.length;
    const list = 2 + listed + (listed - 1) * this.#container.labels.separator.length;
    return {
      promptTokens: call.prefix.length + call.rest.length,
      cachedTokens,
      completionTokens: verdict.flagged ? 1 + list : 1,
      passes: counter.passes,
    };
  }

  /** Refuses a text that cannot fit whatever its tokens are, before time goes into finding them. */
  #checkBytes(parts: readonly PromptPart[]): void {
    const { config, tokenizer } = this.#container;
    const bytes = parts.reduce((sum, part) => sum + ('text' in part ? Buffer.byteLength(part.text) : 0), 0);
    const leastTokens = Math.ceil(bytes / tokenizer.maxTokenBytes);
    const { contextLength } = config.dims;
    if (leastTokens <= contextLength) return;
    throw new LlamaGuardError(
      'ERR_LLAMA_GUARD_CONTEXT_OVERFLOW',
      `The prompt of ${bytes} bytes needs at least ${leastTokens} tokens, the context of the model has ${contextLength}`,
    );
  }

  #checkLength(call: PreparedCall): void {
    const { config, labels } = this.#container;
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
}

/** The most tokens that a verdict feeds: "\n\n", "unsafe", "\n", "S", then a number and a separator per category. */
function verdictRoom(categories: number, separatorTokens: number): number {
  return 4 + (categories - 1) * (1 + separatorTokens);
}

function namedCategories(policy: Policy): { code: string; name: string }[] {
  return policy.categories.map((category) => ({ code: category.code, name: displayName(category) }));
}
