// SPDX-License-Identifier: Apache-2.0
// The story of a failed load: what was looked for, what was found instead, and the one command that mends it.

import { closeSync, openSync, readSync, readdirSync } from 'node:fs';
import path from 'node:path';

import { type AddonSearch, isOverridden, targetOf } from './addon-search.js';

/** A place at which the addon was looked for in vain. */
export interface Attempt {
  readonly file: string;
  /** What loading it failed with; undefined where there is no such file. */
  readonly failure: string | undefined;
}

/** Node's names of some architectures that an ELF file may be for (e_machine in the System V ABI). */
const elfMachines: Readonly<Record<number, string>> = { 3: 'ia32', 40: 'arm', 62: 'x64', 183: 'arm64', 243: 'riscv64' };

/** Text of the error, in lines. */
export function explainFailure(search: AddonSearch, attempts: readonly Attempt[]): string {
  const lines = [
    `The native addon for ${targetOf(search)} could not be loaded (Node ${process.version}). Tried:`,
    ...attempts.map((attempt) => `  ${attempt.file}: ${reasonOf(search, attempt)}`),
    ...prebuiltLine(search),
    `What mends it: \`${remedy(search)}\``,
  ];
  return lines.join('\n');
}

function reasonOf(search: AddonSearch, { file, failure }: Attempt): string {
  if (failure === undefined) return 'no such file';
  const arch = elfArch(file);
  return arch === undefined || arch === search.arch ? failure : `compiled for ${arch}, and this Node is ${search.arch} (${failure})`;
}

/** The architecture that an ELF file was compiled for; undefined for other files and where it cannot be read. */
function elfArch(file: string): string | undefined {
  const head = Buffer.alloc(20);
  try {
    const descriptor = openSync(file, 'r');
    readSync(descriptor, head);
    closeSync(descriptor);
  } catch {
    return undefined;
  }
  return head.readUInt32BE(0) === 0x7f454c46 ? elfMachines[head.readUInt16LE(18)] : undefined;
}

/** What the package brings along, where none of it is for this machine. */
function prebuiltLine(search: AddonSearch): string[] {
  const names = foldersIn(path.join(search.root, 'prebuilds'));
  if (isOverridden(search) || names.includes(targetOf(search))) return [];
  return [`Prebuilt binaries in this package: ${names.length === 0 ? 'none' : names.join(', ')}`];
}

function foldersIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function remedy(search: AddonSearch): string {
  if (isOverridden(search)) return 'unset LLAMA_GUARD_ADDON_DIR';
  return `npm run build --prefix ${/\s/.test(search.root) ? `"${search.root}"` : search.root}`;
}
