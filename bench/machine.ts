// SPDX-License-Identifier: Apache-2.0
// The header of every benchmark: what a figure is worthless without.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly governor: string;
  readonly node: string;
  readonly commit: string;
  readonly date: string;
}

export function machine(): Machine {
  return {
    cpu: cpuName(),
    cpus: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    governor: attempt(() => readFileSync('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor', 'utf8')),
    node: process.version,
    commit: attempt(() => execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8', stdio: 'pipe' })),
    date: new Date().toISOString(),
  };
}

/** A header as lines of `name: value`. */
export function headerText(header: object): string {
  const text = (value: unknown): string => (typeof value === 'object' ? JSON.stringify(value) : String(value));
  return Object.entries(header).map(([name, value]) => `${name}: ${text(value)}\n`).join('');
}

/** Virtual machines hide the model's name; family and model tell the core. */
function cpuName(): string {
  const name = cpus()[0]?.model.trim() ?? 'unknown';
  const info = attempt(() => readFileSync('/proc/cpuinfo', 'utf8'));
  const field = (key: string): string | undefined => new RegExp(`^${key}\\s*:\\s*(\\d+)$`, 'm').exec(info)?.[1];
  const [family, model] = [field('cpu family'), field('model')];
  return family === undefined || model === undefined ? name : `${name}, family ${family}, model ${model}`;
}

function attempt(read: () => string): string {
  try {
    return read().trim();
  } catch {
    return 'unknown';
  }
}
