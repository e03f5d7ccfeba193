// SPDX-License-Identifier: Apache-2.0
// Output that appears under its final name only when it is complete. Until then it lies under a temporary name beside it,
// which goes away on an error, on process exit and on the signals that end a process.

import { rmSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { randomBytes } from 'node:crypto';
import { fromFileSystem } from '../errors/index.js';

const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Temporary paths of this process that are not complete. */
const pending = new Set<string>();

/** A file or folder in the making. Either `commit` or `discard` ends it; `discard` after `commit` does nothing. */
export class StagedOutput {
  private constructor(
    /** Where to write. */
    readonly path: string,
    private readonly finalPath: string,
  ) {}

  /**
   * An empty file or folder beside the final path.
   * @param mode permissions of a file, before the process's umask
   * @throws {ERR_LLAMA_GUARD_WRITE_FAILED} it cannot be created
   */
  static async create(finalPath: string, kind: 'file' | 'folder', mode = 0o666): Promise<StagedOutput> {
    const path = `${finalPath}.partial-${randomBytes(6).toString('hex')}`;
    try {
      if (kind === 'folder') await mkdir(path);
      else await writeFile(path, '', { flag: 'wx', mode });
      watch(path);
      return new StagedOutput(path, finalPath);
    } catch (error) {
      throw fromFileSystem(error, dirname(finalPath), 'writing');
    }
  }

  /**
   * Gives the output its final name. A file takes the place of an older one; a folder needs the place free or empty.
   * @throws {ERR_LLAMA_GUARD_WRITE_FAILED} it cannot be renamed; the temporary is gone then
   */
  async commit(): Promise<void> {
    try {
      await rename(this.path, this.finalPath);
      unwatch(this.path);
    } catch (error) {
      await this.discard();
      throw fromFileSystem(error, this.finalPath, 'writing');
    }
  }

  /** Removes what was written. Idempotent. */
  async discard(): Promise<void> {
    if (!pending.has(this.path)) return;
    await rm(this.path, { recursive: true, force: true });
    unwatch(this.path);
  }
}

function watch(path: string): void {
  if (pending.size === 0) {
    process.on('exit', removePending);
    for (const signal of endingSignals) process.on(signal, onSignal);
  }
  pending.add(path);
}

function unwatch(path: string): void {
  pending.delete(path);
  if (pending.size > 0) return;
  process.off('exit', removePending);
  for (const signal of endingSignals) process.off(signal, onSignal);
}

function removePending(): void {
  for (const path of pending) rmSync(path, { recursive: true, force: true });
}

/** Where the host listens too, it decides whether the process ends; its exit then removes what is pending. */
function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return;
  removePending();
  process.off(signal, onSignal);
  process.kill(process.pid, signal);
}
