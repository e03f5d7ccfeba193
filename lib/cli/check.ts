// SPDX-License-Identifier: Apache-2.0
// `llama-guard check`: one verdict, or with --input one a line.

import type { ModerateOptions, ModerationMode, OverflowMode, ThresholdOptions } from '../facade/call-options.js';
import type { LlamaGuard } from '../facade/llama-guard.js';
import type { ModerationResult } from '../facade/result.js';
import type { ConversationInput } from '../prompt/conversation.js';
import type { Category } from '../prompt/taxonomy.js';
import { checkInBulk } from './check-bulk.js';
import {
  type Command,
  exitCodes,
  limitPositionals,
  numberOption,
  type OptionValues,
  stringOption,
  UsageError,
} from './command.js';
import { parseInput } from './conversation-input.js';
import { readStdin, readText } from './files.js';
import { formatCategories, formatMs } from './format.js';
import { demoNotice, guardOptions, withGuard, withNotice } from './guard-options.js';

const notes = `
Without a text, or with "-", the text is read from standard input. A text that is a JSON array of messages, or a JSON
object with "messages", is a conversation: [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}].
The last message is judged. Use --text for texts that strangers wrote: it takes them as they are.

In bulk, each line of --input is {"messages": [...]} or {"text": "..."}; other fields come back under "input". Each line
of --output is one result, in the same order; a line that cannot be judged gives {"index", "error": {"code", "message"}}.
The output file appears when it is complete.

Exit codes: 0 safe, 1 unsafe, 2 error, 3 to be reviewed. In bulk: 0 every line was judged, 2 a line could not be judged
or the run failed.
`;

export const checkCommand: Command = {
  name: 'check',
  usage: '[text] [options]',
  summary: 'Judge a text or a conversation, or many of them with --input.',
  options: {
    ...guardOptions,
    conversation: { type: 'string', value: 'FILE', help: 'Judge the JSON conversation in this file.' },
    text: { type: 'boolean', help: 'Take the text as it is, even if it looks like a JSON conversation.' },
    input: { type: 'string', value: 'FILE', help: 'Judge every line of this JSONL file; "-" = standard input.' },
    output: { type: 'string', value: 'FILE', help: 'Write the results of --input here. Default: standard output.' },
    mode: {
      type: 'string',
      value: 'MODE',
      help: 'list: ask which categories are violated (default). per-category: ask about each one alone.',
    },
    overflow: {
      type: 'string',
      value: 'WORD',
      help: 'What becomes of a text beyond the context. error: refuse it (default). window: judge it in windows.',
    },
    'window-tokens': { type: 'string', value: 'N', help: 'Most tokens of a window. Default: what the context has room for.' },
    threshold: { type: 'string', value: 'P', help: 'P(unsafe) from which on a message is unsafe. Default 0.5.' },
    review: { type: 'string', value: 'P', help: 'P(unsafe) from which on a person should look; at most --threshold.' },
    exclude: { type: 'string', value: 'CODES', help: 'Categories to leave out, e.g. S5,S8.' },
    categories: {
      type: 'string',
      value: 'FILE',
      help: "Replace the model's categories by a JSON array of {code, name, description?}.",
    },
    json: { type: 'boolean', help: 'Print the whole result as one JSON object.' },
  },
  notes,
  run: check,
};

async function check(values: OptionValues, positionals: readonly string[]): Promise<number> {
  limitPositionals(positionals, 1, 'put the text in quotes');
  const options = await moderateOptions(values);
  const input = stringOption(values, 'input');
  if (input !== undefined) {
    refuseTogether(values, positionals, 'input', ['conversation', 'text']);
    const output = stringOption(values, 'output') ?? '-';
    return withGuard(values, (guard) => checkInBulk({ guard, input, output, options }));
  }
  if (values['output'] !== undefined) throw new UsageError('--output needs --input');
  const conversation = await readConversation(values, positionals);
  return withGuard(values, (guard) => checkOne(guard, conversation, options, values['json'] === true));
}

async function checkOne(
  guard: LlamaGuard,
  conversation: ConversationInput,
  options: ModerateOptions,
  json: boolean,
): Promise<number> {
  const result = await guard.moderate(conversation, options);
  process.stdout.write(json ? `${JSON.stringify(withNotice(result))}\n` : resultText(result));
  if (result.demo && !json) process.stderr.write(`${demoNotice}\n`);
  return { allow: exitCodes.ok, review: exitCodes.review, block: exitCodes.unsafe }[result.action];
}

function resultText(result: ModerationResult): string {
  const judged = result.role === 'user' ? 'user' : 'agent';
  const verdict = result.action === 'review' ? 'review' : result.verdict;
  const lines = [`${verdict}${result.demo ? ' (demo model)' : ''}`, `P(unsafe)   ${result.score.toFixed(4)}`];
  if (result.action !== 'allow') lines.push(`categories  ${formatCategories(result)}`);
  lines.push(`judged      the last ${judged} message, ${result.usage.promptTokens} tokens`);
  if (result.windows) lines.push(`windows     ${result.windows.count}; the verdict is that of number ${result.windows.index + 1}`);
  lines.push(`time        ${formatMs(result.timings.totalMs)}`, '');
  return lines.join('\n');
}

async function moderateOptions(values: OptionValues): Promise<ModerateOptions> {
  const mode = stringOption(values, 'mode');
  const overflow = stringOption(values, 'overflow');
  const windowTokens = numberOption(values, 'window-tokens');
  const exclude = stringOption(values, 'exclude');
  const categories = stringOption(values, 'categories');
  return {
    thresholds: thresholds(values),
    // The guard refuses words and numbers that it does not know.
    ...(mode === undefined ? {} : { mode: mode as ModerationMode }),
    ...(overflow === undefined ? {} : { overflow: overflow as OverflowMode }),
    ...(windowTokens === undefined ? {} : { windowTokens }),
    ...(exclude === undefined ? {} : { exclude: exclude.split(',').map((code) => code.trim()) }),
    ...(categories === undefined ? {} : { categories: await readCategories(categories) }),
  };
}

function thresholds(values: OptionValues): ThresholdOptions {
  const block = numberOption(values, 'threshold');
  const review = numberOption(values, 'review');
  return { ...(block === undefined ? {} : { block }), ...(review === undefined ? {} : { review }) };
}

async function readCategories(file: string): Promise<readonly Category[]> {
  try {
    return JSON.parse(await readText(file)) as readonly Category[];
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(`--categories: ${file} is not valid JSON`);
    throw error;
  }
}

async function readConversation(
  values: OptionValues,
  positionals: readonly string[],
): Promise<ConversationInput> {
  const file = stringOption(values, 'conversation');
  if (file !== undefined) {
    refuseTogether(values, positionals, 'conversation', ['text']);
    return parseInput(await readText(file), 'conversation');
  }
  const [given] = positionals;
  if (given === undefined && process.stdin.isTTY) throw new UsageError('No text given; pass one, or pipe one in');
  const text = given === undefined || given === '-' ? await readStdin() : given;
  return values['text'] === true ? text : parseInput(text, 'either');
}

function refuseTogether(
  values: OptionValues,
  positionals: readonly string[],
  option: string,
  others: readonly string[],
): void {
  const other = others.find((name) => values[name] !== undefined);
  if (other !== undefined) throw new UsageError(`--${option} and --${other} do not go together`);
  if (positionals.length > 0) throw new UsageError(`--${option} and a text do not go together`);
}
