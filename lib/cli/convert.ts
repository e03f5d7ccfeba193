// SPDX-License-Identifier: Apache-2.0
// `llama-guard convert`: a Hugging Face checkpoint to a model folder.

import { convert, type ConvertOptions } from '../convert/convert.js';
import {
  type Command,
  exitCodes,
  integerOption,
  type OptionValues,
  stringOption,
  UsageError,
} from './command.js';
import { formatBytes } from './format.js';
import { interruptible } from './interrupt.js';
import { Progress } from './progress.js';

const notes = `
<source> is a folder with config.json, model.safetensors (or its shards and their index), and tokenizer.json or
tokenizer.model. The model folder appears under its name when it is complete.
`;

export const convertCommand: Command = {
  name: 'convert',
  usage: '<source> <out> [options]',
  summary: 'Convert a Hugging Face checkpoint to a model folder in INT4.',
  options: {
    group: {
      type: 'string',
      value: 'N',
      help: 'Weights that share a scale: 32, 64, 128 or 256. Default: the largest that divides every row.',
    },
    name: { type: 'string', value: 'TEXT', help: 'Name of the source in config.json. Default: the name of its folder.' },
    force: { type: 'boolean', help: 'Replace the model folder that is there.' },
    demo: { type: 'boolean', help: 'Mark the result as a demo that must not guard anything real.' },
  },
  notes,
  run: async (values, positionals) => {
    const [source, out] = positionals;
    if (source === undefined || out === undefined || positionals.length > 2) {
      throw new UsageError('Expected a source folder and an output folder');
    }
    return interruptible((signal) => run(source, out, { ...convertOptions(values), signal }));
  },
};

function convertOptions(values: OptionValues): ConvertOptions {
  const group = integerOption(values, 'group', 1, 2 ** 20);
  const name = stringOption(values, 'name');
  return {
    ...(group === undefined ? {} : { group }),
    ...(name === undefined ? {} : { name }),
    force: values['force'] === true,
    demo: values['demo'] === true,
  };
}

async function run(source: string, out: string, options: ConvertOptions): Promise<number> {
  const progress = new Progress('convert');
  const report = await convert(source, out, {
    ...options,
    onProgress: ({ bytesDone, bytesTotal, item }) => progress.update(bytesDone / bytesTotal, item),
  }).finally(() => progress.clear());
  process.stdout.write(
    `${report.out}: ${report.layers} layers, ${report.labels.length} labels, INT4 in groups of ${report.group}, ` +
      `${formatBytes(report.sourceBytes)} -> ${formatBytes(report.weightBytes)}, ` +
      `${(report.durationMs / 1000).toFixed(1)} s\n`,
  );
  return exitCodes.ok;
}
