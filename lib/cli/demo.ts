// SPDX-License-Identifier: Apache-2.0
// `llama-guard demo`: judges a few built-in conversations and prints a table. `npm start` runs it.

import type { LlamaGuard } from '../facade/llama-guard.js';
import { type Command, exitCodes, limitPositionals } from './command.js';
import { demoConversations } from './demo-conversations.js';
import { formatMs, oneLine, table } from './format.js';
import { demoNotice, guardOptions, withGuard } from './guard-options.js';

const maxTextChars = 56;

export const demoCommand: Command = {
  name: 'demo',
  usage: '[options]',
  summary: 'Judge a few built-in conversations and print a table.',
  options: guardOptions,
  notes: 'The exit code is 0 whatever the verdicts are.',
  run: async (values, positionals) => {
    limitPositionals(positionals, 0, 'the conversations are built in; `llama-guard check` takes yours');
    const beginMs = performance.now();
    return withGuard(values, async (guard) => {
      const loadMs = performance.now() - beginMs;
      const { isa, threads, modelPath, demo } = guard.info;
      process.stdout.write(`${modelPath}: loaded in ${formatMs(loadMs)}, ${isa}, ${threads} thread(s)\n\n`);
      process.stdout.write(await judgedTable(guard));
      if (demo) process.stdout.write(`\n${demoNotice}\n`);
      return exitCodes.ok;
    });
  },
};

async function judgedTable(guard: LlamaGuard): Promise<string> {
  const rows: string[][] = [];
  for (const { language, messages } of demoConversations) {
    const result = await guard.moderate(messages);
    rows.push([
      result.verdict,
      result.categories.map(({ code, name }) => `${code} ${name}`).join(', ') || '-',
      result.score.toFixed(3),
      formatMs(result.timings.totalMs),
      result.role === 'user' ? 'user' : 'agent',
      language,
      oneLine(String(messages.at(-1)?.content ?? ''), maxTextChars),
    ]);
  }
  return table(['verdict', 'categories', 'P(unsafe)', 'time', 'judged', 'lang', 'message'], rows);
}
