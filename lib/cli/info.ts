// SPDX-License-Identifier: Apache-2.0
// `llama-guard info`: machine, instruction sets, model and memory.

import type { GuardInfo } from '../facade/result.js';
import { packageVersion } from '../native/package-version.js';
import { alignedRows, type Command, exitCodes, limitPositionals, type OptionValues } from './command.js';
import { formatBytes } from './format.js';
import { demoNotice, guardOptions, withGuard } from './guard-options.js';

interface Machine {
  readonly packageVersion: string;
  readonly platform: string;
  readonly node: string;
}

export const infoCommand: Command = {
  name: 'info',
  usage: '[options]',
  summary: 'Show the machine, the instruction sets, the model and its memory.',
  options: { ...guardOptions, json: { type: 'boolean', help: 'Print one JSON object.' } },
  notes: '',
  run: async (values, positionals) => {
    limitPositionals(positionals, 0, 'name the model with --model');
    return values['json'] === true ? infoAsJson(values) : infoAsText(values);
  },
};

export function machine(): Machine {
  return { packageVersion: packageVersion(), platform: `${process.platform}-${process.arch}`, node: process.version };
}

function infoAsJson(values: OptionValues): Promise<number> {
  return withGuard(values, async ({ info }) => {
    const notice = info.demo ? { notice: demoNotice } : {};
    const whole = { ...machine(), ...info, rssBytes: process.memoryUsage.rss(), ...notice };
    process.stdout.write(`${JSON.stringify(whole, undefined, 2)}\n`);
    return exitCodes.ok;
  });
}

async function infoAsText(values: OptionValues): Promise<number> {
  // Printed before the model is loaded: what a report of a failed load needs.
  const { packageVersion: version, platform, node } = machine();
  print([
    ['package', `llama-guard-int4 ${version}`],
    ['platform', platform],
    ['node', node],
  ]);
  return withGuard(values, async ({ info }) => {
    print(modelRows(info));
    process.stdout.write(`\ncategories\n${alignedRows(info.categories.map(({ code, name }) => [code, name])).join('\n')}\n`);
    if (info.demo) process.stdout.write(`\n${demoNotice}\n`);
    return exitCodes.ok;
  });
}

function modelRows(info: GuardInfo): (readonly [string, string])[] {
  const { dims, quantization } = info;
  const isas = info.isas.map(({ name, supported }) => (supported ? name : `${name} (not on this CPU)`));
  return [
    ['ISAs', isas.join(', ')],
    ['ISA in use', info.isa],
    ['threads', String(info.threads)],
    ['model', `${info.modelPath}${info.demo ? ' (demo)' : ''}`],
    ['source', info.source?.name ?? 'not told'],
    ['layers', String(dims.layers)],
    ['hidden size', `${dims.hiddenSize}, MLP ${dims.intermediateSize}`],
    ['heads', `${dims.heads} of ${dims.headDim}, ${dims.kvHeads} for keys and values`],
    ['vocabulary', String(dims.vocabSize)],
    ['context', `${dims.contextLength} tokens`],
    ['weights', `INT4, ${quantization.layout}, group ${quantization.group}, embedding ${quantization.embeddingGroup}`],
    ['labels', `${info.labels.length}: ${info.labels.map((label) => JSON.stringify(label)).join(' ')}`],
    ['weight file', formatBytes(info.weightBytes)],
    ['KV per token', formatBytes(info.kvBytesPerToken)],
    ['resident now', formatBytes(process.memoryUsage.rss())],
  ];
}

function print(rows: readonly (readonly [string, string])[]): void {
  // One width for both calls, wide enough for every name.
  const lines = rows.map(([name, value]) => `${name.padEnd(14)}${value}`);
  process.stdout.write(`${lines.join('\n')}\n`);
}
