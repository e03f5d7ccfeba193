// SPDX-License-Identifier: Apache-2.0
// What a sub-command is. Help texts are made from the same table that parses the options, so that they agree.

import { parseArgs } from 'node:util';

/** A mistake in how the command line was written; ends with exit code 2 and a pointer to --help. */
export class UsageError extends Error {}

export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  /** Name of the value in the help text, for string options. */
  readonly value?: string;
  readonly help: string;
}

/** Parsed options: strings as written, flags as true; what was not given is absent. */
export type OptionValues = Readonly<Record<string, string | boolean | undefined>>;

export interface Command {
  readonly name: string;
  /** What follows the command's name, e.g. `<source> <out> [options]`. */
  readonly usage: string;
  readonly summary: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** Closing paragraphs of the help text: input formats, exit codes. */
  readonly notes: string;
  /** Returns the exit code. */
  readonly run: (values: OptionValues, positionals: readonly string[]) => Promise<number>;
}

export const exitCodes = { ok: 0, unsafe: 1, error: 2, review: 3 } as const;

const helpOption: OptionSpec = { type: 'boolean', help: 'Print this help and exit.' };

/** Parses and runs; prints the help text instead where --help is among the arguments. */
export async function runCommand(command: Command, args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(command, args);
  if (values['help'] === true) {
    process.stdout.write(commandHelp(command));
    return exitCodes.ok;
  }
  return command.run(values, positionals);
}

export function commandHelp(command: Command): string {
  const options = { ...command.options, help: helpOption };
  const rows = Object.entries(options).map(([name, spec]): [string, string] => [
    `--${name}${spec.value === undefined ? '' : ` ${spec.value}`}`,
    spec.help,
  ]);
  return [
    `Usage: llama-guard ${command.name} ${command.usage}`,
    '',
    command.summary,
    '',
    'Options:',
    ...alignedRows(rows),
    ...(command.notes ? ['', command.notes.trim()] : []),
    '',
  ].join('\n');
}

/** Two columns, indented; further lines of the second column are indented under it. */
export function alignedRows(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return rows.map(([left, right]) => `  ${left.padEnd(width)}${right.replaceAll('\n', `\n${' '.repeat(width + 2)}`)}`);
}

function parse(command: Command, args: readonly string[]): { values: OptionValues; positionals: string[] } {
  const options = Object.fromEntries(
    [...Object.entries(command.options), ['help', helpOption] as const].map(([name, spec]) => [
      name,
      { type: spec.type, multiple: false as const },
    ]),
  );
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
    return { values: values as OptionValues, positionals };
  } catch (error) {
    throw new UsageError((error as Error).message.split('. To specify')[0]);
  }
}

/** A string option, or undefined where it was not given. */
export function stringOption(values: OptionValues, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

/** A number written in decimal; the range is checked by whoever uses it. */
export function numberOption(values: OptionValues, name: string): number | undefined {
  const text = stringOption(values, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) {
    throw new UsageError(`--${name} must be a number, found ${JSON.stringify(text)}`);
  }
  return value;
}

export function integerOption(values: OptionValues, name: string, min: number, max: number): number | undefined {
  const value = numberOption(values, name);
  if (value !== undefined && (!Number.isInteger(value) || value < min || value > max)) {
    throw new UsageError(`--${name} must be an integer from ${min} to ${max}, found ${value}`);
  }
  return value;
}

/** Refuses positional arguments beyond `max`. */
export function limitPositionals(positionals: readonly string[], max: number, hint: string): void {
  if (positionals.length > max) {
    const found = `${positionals.length} argument${positionals.length === 1 ? '' : 's'}`;
    throw new UsageError(`Expected at most ${max}, found ${found}: ${hint}`);
  }
}
