// SPDX-License-Identifier: Apache-2.0
// `llama-guard doctor`: whether this machine, this binary and this model go together, and if not, why. It writes nothing, and
// works where the addon cannot be loaded.

import { type Command, exitCodes, limitPositionals, type OptionValues, stringOption } from './command.js';
import { examine } from './doctor/examine.js';
import { thisMachine } from './doctor/sources.js';
import { reportText } from './doctor/text.js';
import { guardOptions } from './guard-options.js';

const notes = `
Runs every kernel that this CPU has against the scalar one, and measures how fast memory is read. Nothing is written, and
nothing leaves this machine. The text is meant for bug reports: the home folder is shown as ~.

Exit codes: 0 nothing prevents running, 2 something does: no binary that can be loaded, a kernel that differs, a model
folder that is not whole, an environment variable with a value that cannot be used.
`;

export const doctorCommand: Command = {
  name: 'doctor',
  usage: '[options]',
  summary: 'Examine machine, binary and model; print what a bug report needs.',
  options: { model: guardOptions.model, json: { type: 'boolean', help: 'Print one JSON object.' } },
  notes,
  run: async (values, positionals) => {
    limitPositionals(positionals, 0, 'name the model with --model');
    return doctor(values);
  },
};

async function doctor(values: OptionValues): Promise<number> {
  const report = await examine(thisMachine(), stringOption(values, 'model'));
  process.stdout.write(values['json'] === true ? `${JSON.stringify(report, undefined, 2)}\n` : reportText(report));
  return report.ok ? exitCodes.ok : exitCodes.error;
}
