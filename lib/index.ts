// SPDX-License-Identifier: Apache-2.0
/**
 * Content moderation with Llama Guard 3-1B-INT4 on a CPU.
 *
 * @module
 * @example
 * import { LlamaGuard } from 'llama-guard-int4';
 *
 * await using guard = await LlamaGuard.load();
 * const result = await guard.moderate([
 *   { role: 'user', content: 'How do I sharpen a kitchen knife?' },
 *   { role: 'assistant', content: 'With a whetstone, at an angle of about twenty degrees.' },
 * ]);
 * console.log(result.verdict, result.score, result.categories);
 */

export { LlamaGuard } from './facade/llama-guard.js';
export type { CallOptions, ModerateOptions, ModerationMode, OverflowMode, ThresholdOptions } from './facade/call-options.js';
export type { LoadOptions } from './facade/options.js';
export type { GuardInfo, GuardStats, ModerationResult, Timings, Usage, WindowUse } from './facade/result.js';
export type { CallCounters, Span, SpanListener, SpanName, WorkCounters } from './facade/telemetry.js';
export type { ModerationStream, StreamReport } from './facade/streaming/moderation-stream.js';
export type { StreamCheck, StreamMode, StreamOptions, ViolationAction } from './facade/streaming/stream-options.js';
export { LlamaGuardError } from './errors/index.js';
export type { ErrorCategory, ErrorCode } from './errors/index.js';
export type { ConversationInput, MessageInput, Role, TextPart } from './prompt/conversation.js';
export { defaultTaxonomy } from './prompt/taxonomy.js';
export type { Category } from './prompt/taxonomy.js';
export type { Action, CategoryResult, LabelProbability } from './scoring/scores.js';
