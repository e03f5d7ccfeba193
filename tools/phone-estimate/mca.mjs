// SPDX-License-Identifier: Apache-2.0
// Runs llvm-mca, which computes from LLVM's model of a core how many cycles a loop takes while its data is in the first-level
// cache and its branches are foreseen.

import { spawnSync } from 'node:child_process';

import { works } from '../common.mjs';

const iterations = 100;
const newest = 30, oldest = 15;

/** The name of an installed llvm-mca, or undefined. */
export function findMca() {
  const numbered = Array.from({ length: newest - oldest + 1 }, (_, i) => `llvm-mca-${newest - i}`);
  return [...numbered, 'llvm-mca'].find((name) => works(name, ['--version']));
}

/** LLVM's version, as in `LLVM version 19.1.7`. */
export function mcaVersion(mca) {
  const { stdout } = spawnSync(mca, ['--version'], { encoding: 'utf8' });
  return /LLVM version (\S+)/.exec(stdout)?.[1] ?? 'unknown';
}

/** Runs `mca` for a core (LLVM's name of it) on instructions, taken as the body of a loop; its parsed answer. */
export function analyze(mca, core, body) {
  const args = ['-mtriple=aarch64', `-mcpu=${core}`, '-mattr=+dotprod,+i8mm', '-json', `-iterations=${iterations}`];
  const result = spawnSync(mca, args, { input: `${body.join('\n')}\n`, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (result.status !== 0) throw new Error(`${mca} ${args.join(' ')}: ${result.error?.message ?? result.stderr}`);
  return JSON.parse(result.stdout);
}

/** Cycles of one iteration, from an answer of `analyze`. */
export function cyclesOf(answer) {
  const { Iterations, TotalCycles } = answer.CodeRegions[0].SummaryView;
  return TotalCycles / Iterations;
}

/** Name of the scheduling model that an answer was computed with: LLVM puts it before the names of the model's units. */
export function modelOf(answer) {
  const names = answer.TargetInfo.Resources.map((name) => /^(\w+?)Unit/.exec(name)?.[1]);
  return names.find((name) => name !== undefined) ?? 'unknown';
}

/** Registers that the instructions of `throughput` write one after another, so that none waits for the one before. */
const chains = 24;

/** Cycles of one instruction whose operands are in registers, many independent ones in a row; `D` stands for its result. */
export function throughput(mca, core, instruction) {
  const body = Array.from({ length: chains }, (_, i) => instruction.replace('D', `v${i}`));
  return cyclesOf(analyze(mca, core, body)) / chains;
}
