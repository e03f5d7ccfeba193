// SPDX-License-Identifier: Apache-2.0
// A process as a user's would be, from its start to its first verdict: loads the package as `import` does, a model, and
// judges one text. Argument: a FirstWork as JSON. Prints a FirstReport as JSON.

import { LlamaGuard, type LoadOptions, type MessageInput } from '../../lib/index.mjs';

export interface FirstWork {
  readonly folder: string;
  readonly options: LoadOptions;
  readonly messages: readonly MessageInput[];
}

/** Milliseconds from the start of the process. */
export interface FirstReport {
  readonly importedMs: number;
  readonly loadedMs: number;
  readonly verdictMs: number;
  /** Median time of verdicts after it, on the same text. */
  readonly repeatedMs: number;
  /** The verdict's tokens that were not computed. */
  readonly cachedTokens: number;
}

const importedMs = performance.now();
const { folder, options, messages } = JSON.parse(process.argv[2]!) as FirstWork;
const guard = await LlamaGuard.load(folder, options);
const loadedMs = performance.now();
const { usage } = await guard.moderate(messages, { threshold: 1 });
const verdictMs = performance.now();
const repeated: number[] = [];
for (let i = 0; i < 5; i++) {
  const begin = performance.now();
  await guard.moderate(messages, { threshold: 1 });
  repeated.push(performance.now() - begin);
}
const repeatedMs = repeated.sort((a, b) => a - b)[2]!;
const report: FirstReport = { importedMs, loadedMs, verdictMs, repeatedMs, cachedTokens: usage.cachedTokens };
process.stdout.write(`${JSON.stringify(report)}\n`);
await guard.dispose();
