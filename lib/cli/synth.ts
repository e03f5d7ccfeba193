// SPDX-License-Identifier: Apache-2.0
// `llama-guard synth`: a model folder with true dimensions and random weights, for measurements.

import { type SynthOptions, synthesize } from '../convert/synth.js';
import { type Command, exitCodes, integerOption, type OptionSpec, type OptionValues, UsageError } from './command.js';
import { formatBytes } from './format.js';
import { interruptible } from './interrupt.js';
import { Progress } from './progress.js';

/** Dimensions that can be set: option, field of SynthOptions, smallest, largest, what it is. */
const dimensions = [
  ['layers', 'layers', 1, 1024, 'Decoder layers. Default 12.'],
  ['hidden-size', 'hiddenSize', 32, 65_536, 'Width of the residual stream. Default 2048.'],
  ['intermediate-size', 'intermediateSize', 32, 262_144, 'Neurons of the MLP. Default 6400.'],
  ['heads', 'heads', 1, 1024, 'Query heads. Default 32.'],
  ['kv-heads', 'kvHeads', 1, 1024, 'Heads of keys and values. Default 8.'],
  ['head-dim', 'headDim', 2, 1024, 'Width of a head. Default 64.'],
  ['vocab-size', 'vocabSize', 1, 2 ** 24, 'Tokens. Default 128256.'],
  ['group', 'group', 1, 2 ** 20, 'Weights that share a scale: 32, 64, 128 or 256. Default 256.'],
  ['seed', 'seed', 0, 2 ** 32 - 1, 'The same seed gives the same bytes. Default 1.'],
] as const;

export const synthCommand: Command = {
  name: 'synth',
  usage: '<out> [options]',
  summary: 'Make a model folder with the true dimensions and random weights, for measurements.',
  options: {
    ...Object.fromEntries(
      dimensions.map(([name, , , , help]): [string, OptionSpec] => [name, { type: 'string', value: 'N', help }]),
    ),
    force: { type: 'boolean', help: 'Replace the model folder that is there.' },
  },
  notes: 'Its verdicts mean nothing; it is marked as a demo.',
  run: async (values, positionals) => {
    const [out] = positionals;
    if (out === undefined || positionals.length > 1) throw new UsageError('Expected an output folder');
    return interruptible((signal) => run(out, { ...synthOptions(values), signal }));
  },
};

function synthOptions(values: OptionValues): SynthOptions {
  const given = dimensions.flatMap(([name, field, min, max]) => {
    const value = integerOption(values, name, min, max);
    return value === undefined ? [] : [[field, value] as const];
  });
  return { ...Object.fromEntries(given), force: values['force'] === true };
}

async function run(out: string, options: SynthOptions): Promise<number> {
  const progress = new Progress('synth');
  const report = await synthesize(out, {
    ...options,
    onProgress: ({ bytesDone, bytesTotal, item }) => progress.update(bytesDone / bytesTotal, item),
  }).finally(() => progress.clear());
  const seconds = (report.durationMs / 1000).toFixed(1);
  process.stdout.write(`${report.out}: ${formatBytes(report.weightBytes)} of random weights, ${seconds} s\n`);
  return exitCodes.ok;
}
