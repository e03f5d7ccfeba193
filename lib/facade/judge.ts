// SPDX-License-Identifier: Apache-2.0
// From a prepared prompt to a verdict: leases the policy's keys and values, and asks for the forward passes that the
// verdict decoder wants. Any number of judgements may run at once. Owns the model, the passes and the prefix cache.

import { LlamaGuardError } from '../errors/index.js';
import { type Prefill, PrefixCache } from '../kv-cache/prefix-cache.js';
import type { SnapshotStore } from '../kv-cache/snapshot-store.js';
import type { Container } from '../loading/container.js';
import type { NativeAddon, NativeModel, NativeSequence } from '../native/addon.js';
import { packageVersion } from '../native/package-version.js';
import type { ConversationInput } from '../prompt/conversation.js';
import { displayName } from '../prompt/taxonomy.js';
import { Passes, type Step } from '../scheduling/passes.js';
import type { Verdict } from '../scoring/scores.js';
import { VerdictDecoder } from '../scoring/verdict-decoder.js';
import type { EngineSettings } from './options.js';
import { type PreparedCall, type PreparedPrompt, prepareCall, type PromptSettings } from './prompts.js';
import type { GuardInfo, Usage, WindowUse } from './result.js';
import { Telemetry } from './telemetry.js';

export interface Judgement {
  readonly verdict: Verdict;
  readonly usage: Usage;
  readonly prefillMs: number;
  readonly decodeMs: number;
  /** Where the message was cut. */
  readonly windows?: WindowUse;
}

/** Keys and values of a prompt: what a text that grows keeps from one judgement to the next. */
export interface PromptSession {
  readonly sequence: NativeSequence;
  /** The prompt that the sequence begins with; tokens of a verdict may follow. */
  tokens: Uint32Array;
  /** Tokens at the start of `tokens` that were not computed for this session. */
  cachedTokens: number;
  /** Passes that have run for it. */
  passes: number;
}

/** A prompt after its first pass. */
export interface Reading {
  readonly session: PromptSession;
  readonly tokens: Uint32Array;
  /** Knows P(unsafe), and which passes would name the categories. */
  readonly decoder: VerdictDecoder;
}

export class Judge {
  readonly model: NativeModel;
  readonly cache: PrefixCache;
  readonly telemetry: Telemetry;
  readonly maxQueue: number;
  readonly #addon: NativeAddon;
  readonly #container: Container;
  readonly #passes: Passes;
  readonly #store: SnapshotStore | undefined;

  /** @param store where policies outlive the process */
  constructor(
    addon: NativeAddon,
    container: Container,
    model: NativeModel,
    settings: EngineSettings,
    store?: SnapshotStore,
  ) {
    this.#addon = addon;
    this.#store = store;
    this.#container = container;
    this.model = model;
    this.maxQueue = settings.maxQueue;
    this.telemetry = new Telemetry(settings.onSpan);
    this.#passes = new Passes(model, (report) => this.telemetry.pass(report));
    const prefill: Prefill = async (sequence, tokens, signal) =>
      (await this.#passes.run({ sequence, tokens, logits: 0 }, signal)).passes;
    this.cache = new PrefixCache(model, settings.cache, prefill, store);
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

  /** Checks and tokenizes a call; throws as `prepareCall` does. */
  prepare(input: ConversationInput, settings: PromptSettings): PreparedCall {
    return prepareCall(this.#container, input, settings);
  }

  /** @throws {ERR_LLAMA_GUARD_INVALID_ARGUMENT} not as many 32-bit floats as the head has rows */
  scatterLogits(logits: unknown): Float32Array {
    const { labels, config } = this.#container;
    if (logits instanceof Float32Array && logits.length === labels.size) return labels.scatter(logits, config.dims.vocabSize);
    const found = logits instanceof Float32Array ? `${logits.length} values` : typeof logits;
    throw new LlamaGuardError(
      'ERR_LLAMA_GUARD_INVALID_ARGUMENT',
      `Expected the logits of a result, a Float32Array of ${labels.size} values, found ${found}`,
    );
  }

  /** Tokens of a text by itself. */
  countTokens(text: string): number {
    return this.#container.tokenizer.encode(text).length;
  }

  /** Tokens that a prompt appends of its own. */
  ownTokens({ prefix, earlier, rest }: PreparedPrompt): number {
    return earlier.length + rest.length + (this.cache.keeps(prefix.length) ? 0 : prefix.length);
  }

  /** A session that begins with the prompt's policy. Whoever opened it disposes its sequence. */
  async open({ prefix }: PreparedPrompt, signal?: AbortSignal): Promise<PromptSession> {
    const { sequence, cachedTokens, passes } = await this.cache.acquire(prefix, signal);
    const tokens = prefix.slice(0, sequence.length);
    return { sequence, tokens, cachedTokens, passes };
  }

  /**
   * Judges a prompt in a session: computes what the session does not hold yet. After a failure the session is of no use.
   * Rejects with the signal's reason when it fires.
   *
   * @param beginMs when the work for this judgement began
   */
  async decide(
    session: PromptSession,
    prompt: PreparedPrompt,
    { beginMs = performance.now(), signal }: { beginMs?: number; signal?: AbortSignal } = {},
  ): Promise<Judgement> {
    const reading = await this.read(session, prompt, signal);
    const prefillEndMs = performance.now();
    const verdict = await this.name(reading, signal);
    return { verdict, usage: this.account(reading, verdict), ...this.telemetry.judged(beginMs, prefillEndMs) };
  }

  /** The first pass over a prompt, which gives its P(unsafe). */
  async read(session: PromptSession, prompt: PreparedPrompt, signal?: AbortSignal): Promise<Reading> {
    const { labels } = this.#container;
    const softmax = this.#addon.softmax.bind(this.#addon);
    const decoder = new VerdictDecoder(labels, namedCategories(prompt), { thresholds: prompt.thresholds, softmax });
    const whole = Uint32Array.from([...prompt.prefix, ...prompt.earlier, ...prompt.rest]);
    const first = decoder.next();
    const kept = keepStart(session, whole, first?.tokens.length ?? 0, first?.logits ?? 1);
    const tokens = Uint32Array.from([...whole.subarray(kept), ...(first?.tokens ?? [])]);
    decoder.accept(await this.#feed(session, { tokens, logits: first?.logits ?? 1 }, signal));
    return { session, tokens: whole, decoder };
  }

  /** The passes that name categories, if any, and the verdict. */
  async name({ session, tokens, decoder }: Reading, signal?: AbortSignal): Promise<Verdict> {
    let base = tokens.length;
    for (let step = decoder.next(); step !== null; step = decoder.next()) {
      base += step.keep;
      session.sequence.truncate(base);
      const named = { tokens: Uint32Array.from(step.tokens), logits: step.logits };
      decoder.accept(await this.#feed(session, named, signal));
    }
    return decoder.result();
  }

  /**
   * What a reading took; what it computed counts as kept for the session's next one.
   *
   * @param verdict where the categories were asked for
   */
  account({ session, tokens }: Reading, verdict?: Verdict): Usage {
    const listed = verdict?.categories.length ?? 0;
    const list = 2 + listed + (listed - 1) * this.#container.labels.separator.length;
    const { cachedTokens, passes } = session;
    session.tokens = tokens;
    session.cachedTokens = tokens.length;
    session.passes = 0;
    return { promptTokens: tokens.length, cachedTokens, completionTokens: listed > 0 ? 1 + list : 1, passes };
  }

  /** Waits for the last pass, then frees the model and all that is kept, and waits for what is being saved. No call may be running. */
  async dispose(): Promise<void> {
    await this.#passes.idle();
    this.cache.clear();
    this.model.dispose();
    await this.#store?.settle();
  }

  async #feed(session: PromptSession, step: Omit<Step, 'sequence'>, signal?: AbortSignal): Promise<Float32Array> {
    const { logits, passes } = await this.#passes.run({ sequence: session.sequence, ...step }, signal);
    session.passes += passes;
    return logits;
  }
}

/**
 * Cuts a session back to what it shares with a prompt, and says how much that is. Positions whose logits are wanted must
 * be fed, so that some tokens at the end are computed again where the session holds all of the prompt.
 */
function keepStart(session: PromptSession, prompt: Uint32Array, extraTokens: number, logits: number): number {
  const { tokens, sequence } = session;
  const most = Math.min(tokens.length, prompt.length + extraTokens - logits);
  let kept = 0;
  while (kept < most && tokens[kept] === prompt[kept]) kept++;
  sequence.truncate(kept);
  session.cachedTokens = Math.min(session.cachedTokens, kept);
  return kept;
}

/** The categories of a prompt as results show them. */
export function namedCategories({ policy }: PreparedPrompt): { code: string; name: string }[] {
  return policy.categories.map((category) => ({ code: category.code, name: displayName(category) }));
}
