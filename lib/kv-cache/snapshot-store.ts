// SPDX-License-Identifier: Apache-2.0
// Policy prefixes on disk: saved once they are computed, mapped at the next start (docs/prefix-cache.md). A convenience
// that may fail at any time: it then warns once, and verdicts do not depend on it.

import { utimes } from 'node:fs/promises';
import path from 'node:path';

import { LlamaGuardError } from '../errors/index.js';
import type { NativeModel, NativeSequence } from '../native/addon.js';
import { checkSnapshot, snapshotBytes, snapshotName, type SnapshotSubject, writeSnapshot } from './snapshot-file.js';
import { type SnapshotFolder, snapshotFolders, type SnapshotPlaces } from './snapshot-folder.js';
import type { SnapshotLimits } from './snapshot-pruning.js';

/** What the store needs of a model. */
export type SnapshotModel = Pick<NativeModel, 'kvBytesPerToken' | 'kvSegmentTokens' | 'mapSequence'>;

export interface SnapshotStoreOptions extends SnapshotPlaces, Partial<SnapshotLimits> {
  readonly model: SnapshotModel;
  /** Identity of the model, from modelKey(). */
  readonly modelKey: string;
  /** Hears why a snapshot is not used (once), and why none is written any more (once). Gets no text of a policy, must not throw. */
  readonly onWarning: (message: string) => void;
}

const defaultMaxFiles = 32;
const defaultMaxBytes = 256 * 2 ** 20;

/** The time of a file tells when it was used last, to the day: reading need not write each time. */
const touchAfterMs = 24 * 60 * 60 * 1000;

export class SnapshotStore {
  readonly #options: SnapshotStoreOptions;
  readonly #limits: SnapshotLimits;
  readonly #folders: readonly SnapshotFolder[];
  readonly #segmentTokens: number;
  readonly #segmentBytes: number;
  #writes = Promise.resolve();
  #isWriting = true;
  #hasWarned = false;

  constructor(options: SnapshotStoreOptions) {
    this.#options = options;
    this.#limits = { maxFiles: options.maxFiles ?? defaultMaxFiles, maxBytes: options.maxBytes ?? defaultMaxBytes };
    this.#folders = snapshotFolders(options);
    // Asked for now: a write may end after the model was disposed.
    this.#segmentTokens = options.model.kvSegmentTokens;
    this.#segmentBytes = options.model.kvSegmentTokens * options.model.kvBytesPerToken;
  }

  /**
   * A sequence, mapped from a file, that holds exactly these tokens. Never rejects for what lies on the disk.
   * @param tokens at least one
   * @returns the sequence, which the caller disposes; undefined where there is no snapshot that can be used
   */
  async load(tokens: Uint32Array): Promise<NativeSequence | undefined> {
    const subject = this.#subject(tokens);
    for (const folder of this.#folders) {
      if (!(await folder.isTrusted())) continue;
      const sequence = await this.#loadFrom(path.join(folder.path, snapshotName(subject)), subject);
      if (sequence) return sequence;
    }
    return undefined;
  }

  /**
   * Writes a snapshot, one after the other. Never rejects.
   * @param tokens at least one
   * @param kv exportKv() of a sequence that holds exactly these tokens; must not change until it is written
   */
  save(tokens: Uint32Array, kv: Uint8Array): Promise<void> {
    this.#writes = this.#writes.then(() => this.#save(this.#subject(tokens), kv));
    return this.#writes;
  }

  /** Waits for all that is being written. */
  settle(): Promise<void> {
    return this.#writes;
  }

  #subject(tokens: Uint32Array): SnapshotSubject {
    const segments = Math.ceil(tokens.length / this.#segmentTokens);
    return { modelKey: this.#options.modelKey, tokens, segments, segmentBytes: this.#segmentBytes };
  }

  async #loadFrom(file: string, subject: SnapshotSubject): Promise<NativeSequence | undefined> {
    try {
      const found = await checkSnapshot(file, subject);
      if (found.state === 'unusable') this.#warnOfUse(file, found.reason);
      if (found.state !== 'whole') return undefined;
      const sequence = this.#options.model.mapSequence(file, found.kvBegin, subject.tokens.length);
      if (found.modifiedMs < Date.now() - touchAfterMs) await touch(file);
      return sequence;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Another process may have removed it since it was checked.
      if (code !== 'ERR_LLAMA_GUARD_MODEL_NOT_FOUND') this.#warnOfUse(file, `it cannot be mapped, ${code}`);
      return undefined;
    }
  }

  async #save(subject: SnapshotSubject, kv: Uint8Array): Promise<void> {
    if (!this.#isWriting || snapshotBytes(subject) > this.#limits.maxBytes) return;
    const failures: string[] = [];
    for (const folder of this.#folders) {
      const failure = await this.#saveIn(folder, subject, kv);
      if (failure === undefined) return;
      failures.push(`${folder.path} (${failure})`);
    }
    this.#isWriting = false;
    const tried = failures.join(', ');
    this.#options.onWarning(`Policy prefixes cannot be saved, and are computed anew at each start. Tried: ${tried}`);
  }

  /** Why it failed; undefined where the snapshot is there. */
  async #saveIn(folder: SnapshotFolder, subject: SnapshotSubject, kv: Uint8Array): Promise<string | undefined> {
    const name = snapshotName(subject);
    const file = path.join(folder.path, name);
    try {
      await folder.create();
      if (!(await folder.isTrusted())) return 'no folder, or one that others can write';
      await writeSnapshot(file, subject, kv, folder.fileMode);
    } catch (error) {
      // Windows lets nobody replace a file that a process has mapped; another process wrote the same one, then.
      return (await isWhole(file, subject)) ? undefined : codeOf(error);
    }
    // Loaded on demand: where a snapshot is found, none is written.
    const { pruneSnapshots } = require('./snapshot-pruning.js') as typeof import('./snapshot-pruning.js');
    await pruneSnapshots(folder.path, name, this.#limits).catch(() => undefined);
    return undefined;
  }

  #warnOfUse(file: string, reason: string): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#options.onWarning(`The snapshot ${file} is not used: ${reason}. The policy is computed anew, and saved again`);
  }
}

async function isWhole(file: string, subject: SnapshotSubject): Promise<boolean> {
  const found = await checkSnapshot(file, subject).catch(() => undefined);
  return found?.state === 'whole';
}

/** May fail where the folder is read-only: only the order of eviction suffers. */
async function touch(file: string): Promise<void> {
  const now = new Date();
  await utimes(file, now, now).catch(() => undefined);
}

/** What the file system said: the cause of a LlamaGuardError, or the error itself. */
function codeOf(error: unknown): string {
  const { code } = (LlamaGuardError.isInstance(error) && error.cause ? error.cause : error) as NodeJS.ErrnoException;
  return code ?? 'unknown error';
}
