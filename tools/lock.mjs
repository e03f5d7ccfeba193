// SPDX-License-Identifier: Apache-2.0
// One build at a time in one clone: two compilers that write the same files leave them broken.

import { mkdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';

import { progress } from './common.mjs';

// A symbolic link to the holder's process number: made and filled in one step, also where hard links are forbidden.
const file = 'build/.lock';

/** Runs `work` while no other process builds in this clone. */
export function withLock(work) {
  mkdirSync('build', { recursive: true });
  for (let waited = false; !acquire(); waited = true) {
    const holder = holderOf();
    if (holder !== undefined && !isAlive(holder)) rmSync(file, { force: true });
    else if (!waited) progress(`Waiting for another build of this folder (process ${holder}; if it is none, delete ${file})`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  }
  // `fail` ends the process inside `work`.
  process.on('exit', release);
  const result = work();
  process.off('exit', release);
  release();
  return result;
}

function acquire() {
  try {
    symlinkSync(String(process.pid), file);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

function release() {
  rmSync(file, { force: true });
}

function holderOf() {
  try {
    return Number(readlinkSync(file));
  } catch {
    return undefined;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
