// SPDX-License-Identifier: Apache-2.0
// Which Python can run compress/, and runs of it.

import { spawnSync } from 'node:child_process';

const packages = 'import numpy, regex, torch, yaml';

/** The first Python that has what compress/ needs; undefined where none has. */
export function findPython(): string | undefined {
  const candidates = [process.env['PYTHON'], 'python3', '/usr/bin/python3'];
  return candidates.find((name) => name !== undefined && spawnSync(name, ['-c', packages]).status === 0);
}

/** Runs the command line of compress/; throws with its output where it fails. */
export function compress(python: string, args: readonly string[]): void {
  const env = { ...process.env, PYTHONPATH: 'compress', PYTHONDONTWRITEBYTECODE: '1' };
  const { status, stderr } = spawnSync(python, ['-m', 'llama_guard_compress', ...args], { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}:\n${stderr.slice(-4000)}`);
}
