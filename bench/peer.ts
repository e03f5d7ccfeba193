// SPDX-License-Identifier: Apache-2.0
// npm run bench:peer -- [--model DIR] [--rounds 5] [--runs 3] [--threads 2] [--conversations 32] [--isa name]
//                       [--peer-cpu name] [--peer-dir DIR] [--peer-version 3.22.1] [--json]
// This engine beside llama.cpp as node-llama-cpp ships it. In each round both run, one process each, taking turns at
// being first; a figure is the median of the rounds' ratios, because a machine's speed drifts. docs/performance.md.

import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { headerText, machine } from './machine.js';
import { choosePeerCpu, type Setup, setUp } from './peer/setup.js';
import { median, prefillSizes, type Report } from './peer/work.js';

interface Round {
  readonly ours: Report;
  readonly theirs: Report;
}

interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

interface Row {
  readonly figure: string;
  readonly unit: string;
  readonly ours: Spread;
  readonly theirs: Spread;
  /** Above 1: we are faster, or need less. */
  readonly ratio: Spread;
}

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    runs: { type: 'string', default: '3' },
    threads: { type: 'string', default: '2' },
    conversations: { type: 'string', default: '32' },
    isa: { type: 'string', default: '' },
    'peer-cpu': { type: 'string' },
    'peer-dir': { type: 'string', default: path.join(tmpdir(), 'llama-guard-int4-peer') },
    'peer-version': { type: 'string', default: '3.22.1' },
    json: { type: 'boolean', default: false },
  },
});

function whole(name: 'rounds' | 'runs' | 'threads' | 'conversations'): number {
  const value = Number(options[name]);
  const least = name === 'conversations' ? 0 : 1;
  if (Number.isInteger(value) && value >= least && value <= 1000) return value;
  throw new Error(`--${name} must be a whole number from ${least} to 1000`);
}

/** One process; its report is the last line that it prints. */
function report(program: string, args: readonly string[]): Report {
  const file = fileURLToPath(new URL(`./peer/${program}.js`, import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, [file, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  if (status !== 0) throw new Error(`${program} ended with status ${status}`);
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Report;
}

function measureRound(index: number, { install, gguf, model }: Setup): Round {
  const common = [whole('threads'), whole('runs'), whole('conversations')].map(String);
  const runOurs = (): Report => report('ours', [model, ...common, options.isa]);
  const runTheirs = (): Report => report('theirs', [install, gguf, ...common]);
  process.stderr.write(`> Round ${index + 1} of ${options.rounds}\n`);
  if (index % 2 === 0) {
    const theirs = runTheirs();
    return { ours: runOurs(), theirs };
  }
  const ours = runOurs();
  return { ours, theirs: runTheirs() };
}

function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

function row(rounds: readonly Round[], figure: string, unit: string, read: (report: Report) => number): Row {
  const [ours, theirs] = [rounds.map((round) => read(round.ours)), rounds.map((round) => read(round.theirs))];
  // Of times and sizes less is better, of rates more.
  const isRate = unit.endsWith('/s');
  const ratio = ours.map((value, index) => (isRate ? value / theirs[index]! : theirs[index]! / value));
  return { figure, unit, ours: spread(ours), theirs: spread(theirs), ratio: spread(ratio) };
}

function rows(rounds: readonly Round[]): Row[] {
  const conversations = whole('conversations');
  return [
    ...prefillSizes.map((size) => row(rounds, `prefill ${size}`, 'tokens/s', (report) => report.prefillTokensPerS[size]!)),
    row(rounds, 'decode at 512', 'tokens/s', (report) => report.decodeTokensPerS),
    row(rounds, 'call 136 kept + 84', 'ms', (report) => report.repeatedCallMs),
    ...(conversations > 0 ? [row(rounds, `${conversations} conversations`, 'conversations/s', (report) => report.conversationsPerS!)] : []),
    row(rounds, 'start', 'ms', (report) => report.startMs),
    row(rounds, 'peak RSS', 'MB', (report) => report.peakRssMB),
  ];
}

function tableText(table: readonly Row[]): string {
  const digits = (value: number): string => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
  const cell = ({ median: middle, min, max }: Spread): string => `${digits(middle)} (${digits(min)} to ${digits(max)})`;
  const lines = table.map((entry) => [entry.figure, entry.unit, cell(entry.ours), cell(entry.theirs), cell(entry.ratio)]);
  const head = ['', 'unit', 'ours', 'peer', 'ratio'];
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

async function main(): Promise<void> {
  const rounds = whole('rounds');
  const setup = await setUp(path.resolve(options['peer-dir']), options['peer-version'], options.model);
  const measured: Round[] = [];
  try {
    choosePeerCpu(setup.install, options['peer-cpu']);
    for (let index = 0; index < rounds; index++) measured.push(measureRound(index, setup));
  } finally {
    choosePeerCpu(setup.install, undefined);
  }
  const { ours, theirs } = measured[0]!;
  const about = {
    ...machine(),
    threads: whole('threads'),
    ours: ours.isa,
    peer: `node-llama-cpp ${setup.peerVersion}${options['peer-cpu'] === undefined ? '' : `, library ${options['peer-cpu']}`}`,
    peerFeatures: theirs.isa,
    rounds,
    runs: whole('runs'),
  };
  const table = rows(measured);
  if (options.json) process.stdout.write(`${JSON.stringify({ about, table, rounds: measured }, undefined, 2)}\n`);
  else process.stdout.write(`${headerText(about)}\n${tableText(table)}`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench:peer: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
