// SPDX-License-Identifier: Apache-2.0
// npm run bench:engine -- <model folder> [--threads 2] [--isa name] [--rounds 5] [--seconds 10] [--only part] [--json]
// The engine above its kernels: what the policy cache saves, calls at once, streamed answers, the start of a process,
// memory, and the delay of the event loop. Each round measures every figure of its part in turns. bench/README.md.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { lanes, loopDelay } from './engine/event-loop.js';
import type { FirstReport, FirstWork } from './engine/first.js';
import type { FreshReport, FreshWork } from './engine/fresh.js';
import { answerTokens, checkEvery, streamRound } from './engine/streamed.js';
import { conversationOf, openSubject, type Subject, type SubjectOptions } from './engine/subject.js';
import { type Row, row, tableText } from './engine/table.js';
import { conversations, newTokens, Verdicts } from './engine/verdicts.js';
import { headerText, machine } from './machine.js';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '2' },
    isa: { type: 'string', default: '' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '10' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

function whole(name: 'threads' | 'rounds' | 'seconds'): number {
  const value = Number(options[name]);
  if (Number.isInteger(value) && value >= 1 && value <= 1000) return value;
  throw new Error(`--${name} must be a whole number from 1 to 1000`);
}

/** Results of all rounds, after one that is not counted. */
async function roundsOf<T>(once: () => T | Promise<T>): Promise<T[]> {
  await once();
  const all: T[] = [];
  for (let i = 0; i < whole('rounds'); i++) all.push(await once());
  return all;
}

async function verdictRows(subject: Subject): Promise<Row[]> {
  const verdicts = new Verdicts(subject);
  const rounds = await roundsOf(() => verdicts.policies());
  const policies = [['official policy', 'official'], [`policy of ${verdicts.customTokens} tokens`, 'custom']] as const;
  return policies.flatMap(([name, key]) => [
    row(`verdict, ${newTokens} new tokens, ${name}`, 'ms', rounds.map((round) => round[key].keptMs)),
    row('the same, policy computed', 'ms', rounds.map((round) => round[key].computedMs)),
    row('computed / kept', 'ratio', rounds.map((round) => round[key].computedMs / round[key].keptMs)),
  ]);
}

async function crowdRows(subject: Subject): Promise<Row[]> {
  const verdicts = new Verdicts(subject);
  const rounds = await roundsOf(() => verdicts.crowd());
  return [
    row(`${conversations} conversations at once`, 'per s', rounds.map(({ atOncePerS }) => atOncePerS)),
    row('one after another', 'per s', rounds.map(({ singlePerS }) => singlePerS)),
    row('at once / one after another', 'ratio', rounds.map(({ atOncePerS, singlePerS }) => atOncePerS / singlePerS)),
  ];
}

async function streamRows(subject: Subject): Promise<Row[]> {
  const rounds = await roundsOf(() => streamRound(subject));
  const { checks, computedTokens } = rounds[0]!;
  const work = `${checks} checks, ${computedTokens} tokens`;
  return [
    row(`answer of ${answerTokens} tokens, a check every ${checkEvery}: ${work}`, 'ms', rounds.map(({ streamMs }) => streamMs)),
    row('plain passes of the same tokens', 'ms', rounds.map(({ plainMs }) => plainMs)),
    row('streamed / plain', 'ratio', rounds.map(({ streamMs, plainMs }) => streamMs / plainMs)),
  ];
}

async function delayRows(subject: Subject): Promise<Row[]> {
  const { p50, p99, max, verdicts } = await loopDelay(subject, whole('seconds'));
  return [
    row(`event loop delay, ${lanes} calls at a time for ${whole('seconds')} s: p50`, 'ms', [p50]),
    row('p99', 'ms', [p99]),
    row('largest', 'ms', [max]),
    row('verdicts meanwhile', '', [verdicts]),
  ];
}

/** What a program of this folder reports, run in a process of its own. */
function reported<T>(program: 'first' | 'fresh', work: FirstWork | FreshWork): T {
  const file = fileURLToPath(new URL(`./engine/${program}.js`, import.meta.url));
  const args = [file, JSON.stringify(work)];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  if (status !== 0) throw new Error(`a process ended with status ${status}`);
  return JSON.parse(stdout) as T;
}

async function startRows(common: SubjectOptions): Promise<Row[]> {
  const { folder, threads, isa } = common;
  const messages = await withSubject(common, ({ judge }) => conversationOf(judge, newTokens, 0));
  const options = { threads, ...(isa === '' ? {} : { isa }) };
  const snapshots = mkdtempSync(path.join(tmpdir(), 'llama-guard-bench-'));
  const first = (saved: string | false): FirstReport => reported('first', { folder, options: { ...options, snapshots: saved }, messages });
  try {
    const rounds = await roundsOf(() => ({ without: first(false), from: first(snapshots) }));
    if (rounds.some(({ from }) => from.cachedTokens === 0)) throw new Error('the snapshot was not used');
    return [
      row('process to first verdict', 'ms', rounds.map(({ without }) => without.verdictMs)),
      row('the same, policy from a snapshot', 'ms', rounds.map(({ from }) => from.verdictMs)),
      row('the same less a repeated verdict', 'ms', rounds.map(({ from }) => from.verdictMs - from.repeatedMs)),
      row('without / from snapshot', 'ratio', rounds.map(({ without, from }) => without.verdictMs / from.verdictMs)),
      row('of it, process to imported package', 'ms', rounds.map(({ from }) => from.importedMs)),
      row('process to guard', 'ms', rounds.map(({ without }) => without.loadedMs)),
      row('the same, with snapshots', 'ms', rounds.map(({ from }) => from.loadedMs)),
    ];
  } finally {
    rmSync(snapshots, { recursive: true });
  }
}

function memoryRows(common: SubjectOptions): Row[] {
  const work = { ...common, tokens: 512, conversations: 8 };
  const measure = (open: boolean): FreshReport => reported('fresh', { ...work, open });
  const [called, streamed] = [measure(false), measure(true)];
  const mb = (bytes: number | undefined): number[] => [(bytes ?? NaN) / 1e6];
  return [
    row('peak resident memory, 8 conversations of 512 tokens at once', 'MB', mb(called.peakRssBytes)),
    row('the same as answers of open streams', 'MB', mb(streamed.peakRssBytes)),
    row('of it of no file', 'MB', mb(streamed.anonymousBytes)),
    row('of it keys and values of the conversations', 'MB', mb(streamed.kvBytes)),
    row('weight file', 'MB', mb(called.weightBytes)),
    row('peak resident memory / weight file', 'ratio', [called.peakRssBytes / called.weightBytes]),
    row('the same for streams', 'ratio', [streamed.peakRssBytes / streamed.weightBytes]),
  ];
}

async function withSubject<T>(common: SubjectOptions, use: (subject: Subject) => T | Promise<T>): Promise<T> {
  const subject = await openSubject(common);
  try {
    return await use(subject);
  } finally {
    await subject.guard.dispose();
  }
}

async function main(): Promise<void> {
  const [folder] = positionals;
  if (folder === undefined) throw new Error('name a model folder');
  const common = { folder: path.resolve(folder), threads: whole('threads'), isa: options.isa };
  const parts: Readonly<Record<string, () => Row[] | Promise<Row[]>>> = {
    verdicts: () => withSubject(common, verdictRows),
    conversations: () => withSubject(common, crowdRows),
    stream: () => withSubject(common, streamRows),
    start: () => startRows(common),
    memory: () => memoryRows(common),
    delay: () => withSubject(common, delayRows),
  };
  const { only } = options;
  if (only !== undefined && !(only in parts)) throw new Error(`--only takes one of ${Object.keys(parts).join(', ')}`);
  const { isa, threads } = await withSubject(common, ({ judge }) => ({ isa: judge.model.isa, threads: judge.model.threads }));
  const about = { ...machine(), model: path.basename(folder), isa, threads, rounds: whole('rounds') };
  const table: Row[] = [];
  for (const [name, measure] of Object.entries(parts)) {
    if (only !== undefined && only !== name) continue;
    process.stderr.write(`> ${name}\n`);
    table.push(...(await measure()));
  }
  if (options.json) process.stdout.write(`${JSON.stringify({ about, table }, undefined, 2)}\n`);
  else process.stdout.write(`${headerText(about)}\n${tableText(table)}`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench:engine: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
