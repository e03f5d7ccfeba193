// SPDX-License-Identifier: Apache-2.0
// Everything that the doctor looks at, and what follows from it.

import { packageVersion } from '../../native/package-version.js';
import { formatBytes } from '../format.js';
import { examineMachine } from './machine.js';
import { examineModel } from './model.js';
import { examineNative, loadBinary } from './native.js';
import type { BinaryReport, DoctorReport, MachineReport, ModelReport, NativeReport } from './report.js';
import { type DoctorSources, withoutHome } from './sources.js';

/** @param model model folder; default: as for the other commands */
export async function examine(sources: DoctorSources, model: string | undefined): Promise<DoctorReport> {
  const machine = examineMachine(sources);
  const { addon, binary } = loadBinary(sources);
  const native = await examineNative(addon, machine.memory);
  const folder = await examineModel(sources, model, addon);
  const problems = problemsOf(binary, native, folder);
  const report = {
    ok: problems.length === 0,
    package: packageVersion(),
    ...machine,
    binary,
    ...native,
    model: folder,
    problems,
    warnings: warningsOf(machine, native, folder),
  };
  return withoutHome(report, sources.home);
}

function problemsOf(binary: BinaryReport, { selfTest }: NativeReport, model: ModelReport): string[] {
  const wrong = selfTest.filter(({ health }) => health === 'differs').map(({ kernel }) => kernel);
  const advice = 'do not use this binary here, and please report it';
  return [
    ...(binary.error === null ? [] : [binary.error]),
    ...(wrong.length === 0 ? [] : [`Kernels differ from the scalar ones, ${advice}: ${wrong.join(', ')}`]),
    ...(model.error === null ? [] : [model.error]),
  ];
}

function warningsOf({ memory }: MachineReport, { threads, readBandwidth }: NativeReport, model: ModelReport): string[] {
  const { availableBytes } = memory;
  const short = availableBytes !== null && availableBytes < model.neededBytes;
  return [
    ...(short ? [`Memory is short: ${formatBytes(availableBytes)} free, about ${formatBytes(model.neededBytes)} needed`] : []),
    ...(threads !== null && readBandwidth === null ? ['There was no memory to measure the read rate with'] : []),
    ...(model.snapshots.state === 'not usable' ? ['Computed policies cannot be saved: every start computes them again'] : []),
  ];
}
