#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// Entry of the `llama-guard` command: picks the sub-command, turns every failure into a message and an exit code.

import { packageVersion } from '../native/package-version.js';
import { LlamaGuardError } from '../errors/index.js';
import { benchCommand } from './bench.js';
import { checkCommand } from './check.js';
import { alignedRows, type Command, exitCodes, runCommand, UsageError } from './command.js';
import { convertCommand } from './convert.js';
import { demoCommand } from './demo.js';
import { doctorCommand } from './doctor.js';
import { infoCommand } from './info.js';
import { Interrupted } from './interrupt.js';
import { synthCommand } from './synth.js';

const commands: readonly Command[] = [
  checkCommand,
  convertCommand,
  infoCommand,
  doctorCommand,
  benchCommand,
  demoCommand,
  synthCommand,
];

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});

async function main(args: readonly string[]): Promise<number> {
  endWhenOutputIsClosed();
  const [name, ...rest] = args;
  try {
    if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
      (name === undefined ? process.stderr : process.stdout).write(globalHelp());
      return name === undefined ? exitCodes.error : exitCodes.ok;
    }
    if (name === '--version') {
      process.stdout.write(`${packageVersion()}\n`);
      return exitCodes.ok;
    }
    const command = commands.find((candidate) => candidate.name === name);
    if (!command) throw new UsageError(`Unknown command ${JSON.stringify(name)}`);
    return await runCommand(command, rest);
  } catch (error) {
    return report(error, commands.some((command) => command.name === name) ? name : undefined);
  }
}

function report(error: unknown, command: string | undefined): number {
  if (error instanceof Interrupted) {
    process.stderr.write(`llama-guard: ${error.message}\n`);
    return error.exitCode;
  }
  if (error instanceof UsageError) {
    const help = `llama-guard ${command === undefined ? '' : `${command} `}--help`;
    process.stderr.write(`llama-guard: ${error.message}\nSee ${help}\n`);
  } else if (LlamaGuardError.isInstance(error)) {
    process.stderr.write(`llama-guard: ${error.code}: ${error.message}\n`);
  } else {
    process.stderr.write(`llama-guard: unexpected error\n${error instanceof Error ? error.stack : String(error)}\n`);
  }
  return exitCodes.error;
}

function globalHelp(): string {
  return [
    'Usage: llama-guard <command> [options]',
    '',
    'Judges conversations with Llama Guard 3-1B-INT4 on this CPU.',
    '',
    'Commands:',
    ...alignedRows(commands.map((command) => [command.name, command.summary] as const)),
    '',
    'Options:',
    ...alignedRows([
      ['--help', 'Print this help and exit; `llama-guard <command> --help` tells more.'],
      ['--version', 'Print the version of the package and exit.'],
    ]),
    '',
    'Environment:',
    ...alignedRows([
      ['LLAMA_GUARD_MODEL', 'Model folder that is used where --model is not given.'],
      ['LLAMA_GUARD_THREADS', 'Threads where --threads is not given; 0 = the big CPUs it may use.'],
      ['LLAMA_GUARD_ISA', 'Instruction set where --isa is not given; `llama-guard info` lists the names.'],
      ['LLAMA_GUARD_SNAPSHOTS', "Folder for saved policies, or off. Default: beside the model, else the user's cache."],
    ]),
    '',
  ].join('\n');
}

/** The output was not delivered: no verdict's exit code may stand then. A reader that went away (`| head`) knows why. */
function endWhenOutputIsClosed(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && stream === process.stdout) {
        process.stderr.write(`llama-guard: Cannot write standard output (${error.code ?? error.message})\n`);
      }
      process.exit(exitCodes.error);
    });
  }
}
