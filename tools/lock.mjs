// SPDX-License-Identifier: Apache-2.0
// One build at a time in one clone: two compilers that write the same files leave them broken.

import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';

import { progress, readOr } from './common.mjs';

/** Runs `work` while no other process prepares the same clone. */
export function withLock(work) {
  mkdirSync('build', { recursive: true });
  const file = 'build/.lock';
  for (let waited = false; ; waited = true) {
    try {
      const handle = openSync(file, 'wx');
      writeSync(handle, String(process.pid));
      closeSync(handle);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (!isAlive(readOr(file, ''))) rmSync(file, { force: true });
    else if (!waited) progress('Waiting for another build of this folder');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  }
  process.on('exit', () => rmSync(file, { force: true }));
  const result = work();
  rmSync(file, { force: true });
  return result;
}

function isAlive(pid) {
  // The other process may not have written its number yet.
  if (pid === '') return true;
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
