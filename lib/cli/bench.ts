// SPDX-License-Identifier: Apache-2.0
// `llama-guard bench`: speed and memory of a model on this machine.

import { arch, cpus, platform, release } from 'node:os';

import { loadSettings, modelFolder } from '../facade/options.js';
import { type BenchResult, measure, type Spread } from './bench-measure.js';
import {
  type Command,
  exitCodes,
  integerOption,
  limitPositionals,
  type OptionValues,
  stringOption,
  UsageError,
} from './command.js';
import { formatMs, table } from './format.js';
import { guardOptions, loadOptionsOf } from './guard-options.js';
import { machine } from './info.js';
import { Progress } from './progress.js';

const defaultRuns = 5;

const notes = `
Each figure is the median of the runs, with the smallest and the largest, after one warm-up; load and first verdict are
measured once. Prefill and decode run on token ids alone; a verdict is a whole call of moderate() with the official
policy and a message that makes 84 tokens come after the policy, where the tokenizer allows it. Its threshold is 1, so
that it is a safe verdict for any model: naming categories takes passes of its own. Saved policies are not used.
--json prints one object: loadMs, firstVerdictMs, prefillTokensPerS {"64", "256", "512"}, decodeTokensPerS,
uncachedVerdictMs, repeatedVerdictMs (each {median, min, max}), peakRssMB, threads, isa, runs, verdictTokens.
`;

export const benchCommand: Command = {
  name: 'bench',
  usage: '[model] [options]',
  summary: 'Measure loading, prefill, decode, verdicts and memory.',
  options: {
    ...guardOptions,
    runs: { type: 'string', value: 'N', help: `Runs of each measurement, 1 to 1000. Default ${defaultRuns}.` },
    json: { type: 'boolean', help: 'Print one JSON object.' },
  },
  notes,
  run: bench,
};

async function bench(values: OptionValues, positionals: readonly string[]): Promise<number> {
  limitPositionals(positionals, 1, 'one model at a time');
  const [positional] = positionals;
  const option = stringOption(values, 'model');
  if (positional !== undefined && option !== undefined) throw new UsageError('Name the model once');
  const json = values['json'] === true;
  const folder = modelFolder(positional ?? option, process.env);
  if (!json) process.stdout.write(`${machineHeader()}\nmodel  ${folder}\n\n`);
  const progress = new Progress('bench');
  const result = await measure({
    folder,
    settings: loadSettings({ ...loadOptionsOf(values), snapshots: false }, process.env),
    runs: integerOption(values, 'runs', 1, 1000) ?? defaultRuns,
    onProgress: (fraction, what) => progress.update(fraction, what),
  }).finally(() => progress.clear());
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : resultText(result));
  return exitCodes.ok;
}

function machineHeader(): string {
  const all = cpus();
  const { packageVersion, node } = machine();
  return [
    `cpu    ${all[0]?.model.trim() ?? 'unknown'}, ${all.length} logical`,
    `system ${platform()} ${release()} ${arch()}, node ${node}`,
    `build  llama-guard-int4 ${packageVersion}`,
  ].join('\n');
}

function resultText(result: BenchResult): string {
  const { prompt, afterPolicy } = result.verdictTokens;
  const row = (name: string, { median, min, max }: Spread, unit: string): string[] => [
    name,
    ...[median, min, max].map((value) => value.toFixed(1)),
    unit,
  ];
  const rows = [
    ...Object.entries(result.prefillTokensPerS).map(([size, spread]) => row(`prefill ${size}`, spread, 'tokens/s')),
    row(`decode at ${result.decodeContext}`, result.decodeTokensPerS, 'tokens/s'),
    row(`verdict, ${prompt} tokens`, result.uncachedVerdictMs, 'ms'),
    row(`verdict, ${afterPolicy} of them new`, result.repeatedVerdictMs, 'ms'),
  ];
  return [
    `${result.isa}, ${result.threads} thread(s), ${result.runs} run(s)`,
    `load ${formatMs(result.loadMs)}, first verdict after ${formatMs(result.firstVerdictMs)}`,
    '',
    table(['', 'median', 'min', 'max', ''], rows),
    `peak resident memory ${result.peakRssMB.toFixed(0)} MB`,
    '',
  ].join('\n');
}
