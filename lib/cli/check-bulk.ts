// SPDX-License-Identifier: Apache-2.0
// `llama-guard check --input`: a result for every line, in order, several lines in the works, in bounded memory.

import { LlamaGuardError } from '../errors/index.js';
import type { ModerateOptions } from '../facade/call-options.js';
import type { LlamaGuard } from '../facade/llama-guard.js';
import type { ModerationResult } from '../facade/result.js';
import type { ConversationInput } from '../prompt/conversation.js';
import { inOrder } from '../scheduling/in-order.js';
import { exitCodes } from './command.js';
import { isJsonObject, type JsonObject } from './conversation-input.js';
import { type LineSink, openSink, readBytes } from './files.js';
import { demoNotice, withNotice } from './guard-options.js';
import { interruptible } from './interrupt.js';
import { type Line, readLines } from './line-reader.js';
import { Progress } from './progress.js';

export interface BulkRun {
  readonly guard: LlamaGuard;
  /** JSONL file; "-" = standard input. */
  readonly input: string;
  /** "-" = standard output. */
  readonly output: string;
  readonly options: ModerateOptions;
}

/** What becomes of a line. */
interface Judged {
  /** Fields that are neither text nor messages; they come back. */
  readonly input: JsonObject;
  readonly result: ModerationResult | LlamaGuardError;
}

interface Totals {
  judged: number;
  unsafe: number;
  review: number;
  errors: number;
}

/** Far above any context: a longer line cannot be a conversation that fits. */
const maxLineBytes = 16 * 2 ** 20;

/** Returns the exit code: 0 when every line was judged. */
export function checkInBulk(run: BulkRun): Promise<number> {
  return interruptible(async (signal) => {
    // Wrong options fail here, once, and not on every line; the policy is in the cache afterwards.
    await run.guard.moderate('.', run.options);
    const sink = await openSink(run.output);
    try {
      const code = await judgeLines(run, sink, signal);
      await sink.finish();
      return code;
    } catch (error) {
      await sink.abort();
      throw error;
    }
  });
}

async function judgeLines(run: BulkRun, sink: LineSink, signal: AbortSignal): Promise<number> {
  const totals: Totals = { judged: 0, unsafe: 0, review: 0, errors: 0 };
  const progress = new Progress('check');
  const beginMs = performance.now();
  const options = { ...run.options, signal };
  let index = 0;
  try {
    const lines = readLines(readBytes(run.input, signal), maxLineBytes);
    const ahead = { signal, sizeOf: lineLength, maxSize: maxLineBytes };
    for await (const outcome of inOrder(lines, (line) => judgeLine(run.guard, line, options), ahead)) {
      signal.throwIfAborted();
      if (outcome.status === 'rejected') throw outcome.reason;
      count(totals, outcome.value);
      await sink.write(JSON.stringify({ index: index++, ...outputOf(outcome.value) }));
      progress.update(undefined, summary(totals, beginMs));
    }
  } finally {
    progress.clear();
  }
  process.stderr.write(`${summary(totals, beginMs)}\n${run.guard.info.demo ? `${demoNotice}\n` : ''}`);
  return totals.errors > 0 ? exitCodes.error : exitCodes.ok;
}

async function judgeLine(guard: LlamaGuard, line: Line, options: ModerateOptions): Promise<Judged> {
  let input: JsonObject = {};
  try {
    const parsed = parseLine(line);
    input = parsed.input;
    return { input, result: await guard.moderate(parsed.conversation, options) };
  } catch (error) {
    if (!LlamaGuardError.isInstance(error)) throw error;
    return { input, result: error };
  }
}

function outputOf({ input, result }: Judged): object {
  const carried = Object.keys(input).length > 0 ? { input } : {};
  if (!LlamaGuardError.isInstance(result)) return { ...carried, ...withNotice(result) };
  return { ...carried, error: { code: result.code, message: result.message } };
}

function count(totals: Totals, { result }: Judged): void {
  if (LlamaGuardError.isInstance(result)) {
    totals.errors++;
    return;
  }
  totals.judged++;
  if (result.action === 'block') totals.unsafe++;
  if (result.action === 'review') totals.review++;
}

function lineLength(line: Line): number {
  return 'text' in line ? line.text.length : 0;
}

function parseLine(line: Line): { conversation: ConversationInput; input: JsonObject } {
  if ('problem' in line) throw badLine(line.problem);
  const { messages, text, ...input } = parseObject(line.text);
  if ((messages === undefined) === (text === undefined)) {
    throw badLine('The line must have either "messages" or "text"');
  }
  if (messages === undefined && typeof text !== 'string') throw badLine('"text" must be a string');
  if (text === undefined && !Array.isArray(messages)) throw badLine('"messages" must be an array');
  return { conversation: (messages ?? text) as ConversationInput, input };
}

function parseObject(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw badLine('The line is not valid JSON');
  }
  if (!isJsonObject(value)) throw badLine('The line must be a JSON object');
  return value;
}

function badLine(message: string): LlamaGuardError {
  return new LlamaGuardError('ERR_LLAMA_GUARD_INVALID_ARGUMENT', message);
}

function summary({ judged, unsafe, review, errors }: Totals, beginMs: number): string {
  const seconds = (performance.now() - beginMs) / 1000;
  return `${judged} judged, ${unsafe} unsafe, ${review} to review, ${errors} errors, ${seconds.toFixed(1)} s`;
}
