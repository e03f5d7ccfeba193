// SPDX-License-Identifier: Apache-2.0
// What a caller gets: the result of one judgement, and the description of a loaded guard.

import type { IsaInfo, ModelDims } from '../native/addon.js';
import type { ModelSource } from '../loading/config.js';
import type { Role } from '../prompt/conversation.js';
import type { Category } from '../prompt/taxonomy.js';
import type { LabelProbability, Verdict } from '../scoring/scores.js';
import type { ModerationMode } from './call-options.js';
import type { CallCounters, WorkCounters } from './telemetry.js';

/** Of a call with several prompts, each figure is a sum over them. */
export interface Usage {
  /** Tokens of the prompt, policy included. */
  readonly promptTokens: number;
  /** Tokens of the prompt whose keys and values were kept from an earlier call. */
  readonly cachedTokens: number;
  /** Tokens of the verdict as the model words it, without white space before it and the end of turn after it. */
  readonly completionTokens: number;
  /** Forward passes that this call had a part in; other calls may have shared them. */
  readonly passes: number;
}

/** A message that was judged in windows. */
export interface WindowUse {
  /** Windows that were judged. */
  readonly count: number;
  /** The one with the highest P(unsafe), whose verdict this is; of equal ones the first. From 0. */
  readonly index: number;
  /** Tokens of the message in that window. */
  readonly tokens: number;
}

/** Milliseconds. */
export interface Timings {
  /** Checking, rendering and tokenizing. */
  readonly tokenizeMs: number;
  /** Waiting for earlier calls to make room. */
  readonly queueMs: number;
  /** From the prompt to the first logits; holds the policy as well where it was not cached, and passes of other calls. */
  readonly prefillMs: number;
  /** Naming the categories. */
  readonly decodeMs: number;
  readonly totalMs: number;
}

/** One judgement. */
export interface ModerationResult extends Omit<Verdict, 'labelLogits' | 'labelProbabilities'> {
  readonly mode: ModerationMode;
  /** Whose message was judged: the role of the last message. */
  readonly role: Role;
  /** The verdict comes from a demonstration model, which must not guard anything real. */
  readonly demo: boolean;
  readonly usage: Usage;
  readonly timings: Timings;
  /** Only where the last message was cut, with overflow `window`. */
  readonly windows?: WindowUse;
  /** Softmax over all label rows at the verdict position; only with the option `labels`. */
  readonly labels?: readonly LabelProbability[];
  /** Raw logits of all label rows at the verdict position, in the order of `info.labels`; only with the option `logits`. */
  readonly logits?: Float32Array;
}

/** Counters of a guard. No text, token or category of what was judged is among them. */
export interface GuardStats extends Readonly<CallCounters>, Readonly<WorkCounters> {
  /** Calls that wait now. */
  readonly waiting: number;
  /** Calls that are being judged now. */
  readonly running: number;
  /** Policy prefixes that are kept now. */
  readonly policyCache: { readonly entries: number; readonly bytes: number };
}

/** What a loaded guard is made of. */
export interface GuardInfo {
  readonly packageVersion: string;
  readonly modelPath: string;
  /** The model is a demonstration, which must not guard anything real. */
  readonly demo: boolean;
  /** Instruction set in use. */
  readonly isa: string;
  /** Instruction sets that this binary holds, narrowest first. */
  readonly isas: readonly IsaInfo[];
  /** Threads in use. */
  readonly threads: number;
  readonly dims: ModelDims;
  readonly quantization: { readonly layout: string; readonly group: number; readonly embeddingGroup: number };
  /** What each row of the head stands for. */
  readonly labels: readonly string[];
  readonly categories: readonly Category[];
  /** Bytes of the mapped weights. */
  readonly weightBytes: number;
  readonly kvBytesPerToken: number;
  /** Policy prefixes that are kept now. */
  readonly policyCache: { readonly entries: number; readonly bytes: number };
  /** Where the model was converted from, as far as it says. */
  readonly source?: ModelSource;
}
