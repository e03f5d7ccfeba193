// SPDX-License-Identifier: Apache-2.0
// What the scripts of tools/ share: the root, running programs, ending with one clear message, content stamps.
// Plain Node without packages, because it runs before they are installed.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root; also made the working folder, so that npm scripts work from anywhere. */
export const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);

/** Whether the module with this address is the program that was started, be it through a link. */
export function isMain(address) {
  return process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(address);
}

/** Ends with a message and exit code 1, without a stack trace. */
export function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** Prints one line of progress. */
export function progress(message) {
  process.stdout.write(`> ${message}\n`);
}

/** Runs a program with our terminal; ends with `what` when it fails. */
export function run(program, args, { what = program, env = process.env } = {}) {
  const result = spawnSync(program, args, { stdio: 'inherit', env, shell: false });
  if (result.error) fail(`${what}: ${program} could not be started (${result.error.message})`);
  if (result.status !== 0) fail(`${what} failed (${result.signal ?? `exit code ${result.status}`})`);
}

/** Like `run`, but shows the output only when the program fails. */
export function runQuietly(program, args, { what = program, env = process.env } = {}) {
  const result = spawnSync(program, args, { encoding: 'utf8', env, maxBuffer: 1 << 28 });
  if (result.error) fail(`${what}: ${program} could not be started (${result.error.message})`);
  if (result.status === 0) return;
  process.stderr.write(result.stdout + result.stderr);
  fail(`${what} failed (${result.signal ?? `exit code ${result.status}`})`);
}

/** Whether a program runs and exits with 0. */
export function works(program, args, input = '') {
  const result = spawnSync(program, args, { input, stdio: ['pipe', 'ignore', 'ignore'] });
  return !result.error && result.status === 0;
}

/** Runs the command-line program `command` (default: the package's name) of an installed package. */
export function runPackage(name, args, { command = name, quiet = false, ...options } = {}) {
  const folder = path.join('node_modules', name);
  const { bin } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const script = typeof bin === 'string' ? bin : bin[command];
  const start = quiet ? runQuietly : run;
  start(process.execPath, [path.join(folder, script), ...args], options);
}

/** All files under the given files and folders, sorted. */
export function filesUnder(entries) {
  const files = [];
  for (const entry of entries) {
    if (!existsSync(entry)) continue;
    if (!statSync(entry).isDirectory()) {
      files.push(entry);
      continue;
    }
    files.push(...filesUnder(readdirSync(entry).map((name) => path.join(entry, name))));
  }
  return files.sort();
}

/** The text of a file, or `otherwise` where there is none. */
export function readOr(file, otherwise) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return otherwise;
  }
}

/** One hash over the names and contents of files and some settings. */
export function contentHash(entries, settings = {}) {
  const hash = createHash('sha256').update(JSON.stringify(settings));
  for (const file of filesUnder(entries)) hash.update(`\0${file}\0`).update(readFileSync(file));
  return hash.digest('hex');
}

/** Whether `stampFile` holds `hash` and every output is there. */
export function isCurrent(stampFile, hash, outputs) {
  return existsSync(stampFile) && readFileSync(stampFile, 'utf8') === hash && outputs.every((file) => existsSync(file));
}

export function writeStamp(stampFile, hash) {
  mkdirSync(path.dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, hash);
}
