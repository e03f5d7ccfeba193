// SPDX-License-Identifier: Apache-2.0
// Runs a script with the built package in a process of its own.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const prelude = "import { LlamaGuard } from 'llama-guard-int4'; import { Worker } from 'node:worker_threads';\n";

/** What the script, an ES module, prints; rejects when its process does not exit with 0. `gc()` is there. */
export async function inProcess(script: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', '--input-type=module', '-e', prelude + script]);
  return stdout.trim();
}
