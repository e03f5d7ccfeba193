// SPDX-License-Identifier: Apache-2.0
// The public class: loads a model, judges conversations off the event loop, many at once, and frees everything on
// dispose.

import { loadAddon } from '../native/load-addon.js';
import type { ConversationInput } from '../prompt/conversation.js';
import { type ModerateOptions, moderateSettings } from './call-options.js';
import { Calls } from './calls.js';
import type { Judge } from './judge.js';
import { openJudge } from './open-judge.js';
import { streaming } from './on-demand.js';
import { invalid } from './option-values.js';
import { type LoadOptions, loadSettings, modelFolder } from './options.js';
import type { GuardInfo, GuardStats, ModerationResult } from './result.js';
import type { ModerationStream } from './streaming/moderation-stream.js';
import type { StreamOptions } from './streaming/stream-options.js';

/** A guard over a judge that tests and the benchmark made. Not part of the package's interface. */
export let guardOver: (judge: Judge) => LlamaGuard;

/**
 * A loaded guard. Calls may overlap: those that are there at the same time share forward passes, and none waits for
 * company. A guard belongs to the thread that loaded it; each worker thread loads its own (they share the weights).
 */
export class LlamaGuard {
  readonly #calls: Calls;
  #disposal: Promise<void> | undefined;

  static {
    guardOver = (judge) => new LlamaGuard(judge);
  }

  private constructor(judge: Judge) {
    this.#calls = new Calls(judge);
  }

  /**
   * A guard over a converted model.
   *
   * @param path model folder; default: the environment variable LLAMA_GUARD_MODEL, else the embedded demo model, which
   *   must not guard anything real
   * @param options threads, instruction set, cache sizes
   * @returns the guard; `dispose()` it, or hold it with `await using`
   * @throws {ERR_LLAMA_GUARD_NO_BINARY} the native addon is not there
   * @throws {ERR_LLAMA_GUARD_MODEL_NOT_FOUND} the folder, or a file of it, is not there
   * @throws {ERR_LLAMA_GUARD_UNREADABLE} a file of it cannot be read
   * @throws {ERR_LLAMA_GUARD_BAD_CONFIG} config.json is wrong; likewise BAD_FORMAT, TRUNCATED, BAD_TENSOR, BAD_TOKENIZER
   * @throws {ERR_LLAMA_GUARD_UNKNOWN_ISA} the forced instruction set is not known; likewise UNSUPPORTED_ISA
   * @throws {ERR_LLAMA_GUARD_INVALID_ARGUMENT} an option is not known or out of range
   *
   * @example
   * await using guard = await LlamaGuard.load('models/llama-guard-3-1b-int4');
   * const { flagged, categories } = await guard.moderate('How do I bake bread?');
   */
  static async load(path?: string, options?: LoadOptions): Promise<LlamaGuard> {
    const folder = modelFolder(path, process.env);
    const settings = loadSettings(options, process.env);
    return new LlamaGuard(await openJudge(loadAddon(), folder, settings));
  }

  /** What the guard is made of: model, instruction set, threads, memory. */
  get info(): GuardInfo {
    this.#calls.assertOpen();
    return this.#calls.judge.info;
  }

  /** Counters since the guard was loaded, and what it does now. Also after dispose(). */
  stats(): GuardStats {
    return this.#calls.stats;
  }

  /**
   * A verdict on the last message of a conversation.
   *
   * @param input a text (judged as a user's message), or messages whose roles alternate, beginning with `user`
   * @param options thresholds, categories, exclusions, mode, windows, signal, timeout
   * @returns verdict, score and categories; `score` is P(unsafe), a softmax over the logits of `safe` and `unsafe` alone
   * @throws {ERR_LLAMA_GUARD_EMPTY_CONVERSATION} there is no text to judge
   * @throws {ERR_LLAMA_GUARD_ROLE_ORDER} roles do not alternate, or are none that the guard knows
   * @throws {ERR_LLAMA_GUARD_UNKNOWN_CATEGORY} a code that the model cannot say, or no category left
   * @throws {ERR_LLAMA_GUARD_CONTEXT_OVERFLOW} the prompt is longer than the context, and `overflow` does not allow
   *   windows or there would be too many; nothing is cut silently
   * @throws {ERR_LLAMA_GUARD_INVALID_ARGUMENT} an option or a message has the wrong form
   * @throws {ERR_LLAMA_GUARD_NON_FINITE} the model is damaged: no verdict
   * @throws {ERR_LLAMA_GUARD_ABORTED} the signal fired; likewise DEADLINE when the timeout passed
   * @throws {ERR_LLAMA_GUARD_OVERLOADED} too many calls wait
   * @throws {ERR_LLAMA_GUARD_DISPOSED} the guard was disposed before the call was admitted
   */
  async moderate(input: ConversationInput, options?: ModerateOptions): Promise<ModerationResult> {
    return this.#calls.moderate(input, moderateSettings(options));
  }

  /**
   * The logits of a result as a head with a row for every token would give them.
   *
   * @param logits `logits` of a result: one for every label of `info.labels`
   * @returns logits by token id, [info.dims.vocabSize]; -Infinity for tokens that the head has no row for
   * @throws {ERR_LLAMA_GUARD_INVALID_ARGUMENT} not a Float32Array of that length
   */
  scatterLogits(logits: Float32Array): Float32Array {
    this.#calls.assertOpen();
    return this.#calls.judge.scatterLogits(logits);
  }

  /**
   * Verdicts on many inputs, with a bounded number of calls in the works at a time, so that the machine stays full.
   * Never refused for a full queue.
   *
   * @param inputs each as `moderate` takes it
   * @param options as of `moderate`, for all of them; `timeoutMs` is each input's own, from when its turn comes. When the
   *   signal fires, what has no verdict yet is rejected with ERR_LLAMA_GUARD_ABORTED
   * @returns in the order of the inputs, what Promise.allSettled would give: `{ status: 'fulfilled', value }`, or
   *   `{ status: 'rejected', reason }` with a LlamaGuardError
   * @throws as `moderate` rejects, for wrong options and after dispose(); no input makes it reject
   *
   * @example
   * for (const outcome of await guard.moderateBatch(['How do I bake bread?', 'How do I boil an egg?'])) {
   *   console.log(outcome.status === 'fulfilled' ? outcome.value.verdict : outcome.reason.code);
   * }
   */
  async moderateBatch(
    inputs: readonly ConversationInput[],
    options?: ModerateOptions,
  ): Promise<PromiseSettledResult<ModerationResult>[]> {
    if (!Array.isArray(inputs)) throw invalid('moderateBatch() takes an array of inputs', inputs);
    const outcomes: PromiseSettledResult<ModerationResult>[] = [];
    const each = this.#calls.moderateEach(inputs as readonly ConversationInput[], moderateSettings(options), 'reject');
    for await (const outcome of each) outcomes.push(outcome);
    return outcomes;
  }

  /**
   * The same for inputs that come one by one, without end if need be: outcomes in the order of the inputs, of which at
   * most 64 are held at a time. Leaving the loop closes the source and ends the calls that have begun.
   *
   * @param options as of `moderateBatch`, except that the signal ends the loop with ERR_LLAMA_GUARD_ABORTED
   * @throws at once, as `moderateBatch` rejects; from the loop, what the source throws
   *
   * @example
   * for await (const outcome of guard.moderateEach(texts)) {
   *   console.log(outcome.status === 'fulfilled' ? outcome.value.score : outcome.reason.code);
   * }
   */
  moderateEach(
    inputs: Iterable<ConversationInput> | AsyncIterable<ConversationInput>,
    options?: ModerateOptions,
  ): AsyncGenerator<PromiseSettledResult<ModerationResult>, void, undefined> {
    // A text is iterable as well, and would be judged letter by letter.
    const isSource = typeof inputs === 'object' && inputs !== null;
    if (!isSource || !(Symbol.iterator in inputs || Symbol.asyncIterator in inputs)) {
      throw invalid('moderateEach() takes an iterable or async iterable of inputs', inputs);
    }
    return this.#calls.moderateEach(inputs, moderateSettings(options), 'end');
  }

  /**
   * Guards an answer while it is being written: text goes in as it comes, and out as the mode allows. Each check judges
   * the conversation with the answer so far and computes no more than the new text and the fixed words after it.
   *
   * @param options the conversation before the answer, and the same as `moderate` takes; `timeoutMs` is each check's own
   * @returns a pair for `pipeThrough`, with `toNode()` for Node's streams and `report` for how it ended. It fails with
   *   ERR_LLAMA_GUARD_UNSAFE on a violation, and as `moderate` rejects when a check fails: unjudged text then stays in
   * @throws as `moderate` rejects, for messages and options that are wrong
   */
  stream(options: StreamOptions): ModerationStream {
    return this.#calls.stream(streaming().streamSettings(options));
  }

  /**
   * Frees the model: waits for the calls that run, refuses the ones that wait and all later ones with
   * ERR_LLAMA_GUARD_DISPOSED. Idempotent.
   */
  dispose(): Promise<void> {
    this.#disposal ??= this.#calls.close();
    return this.#disposal;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
