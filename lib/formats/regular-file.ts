// SPDX-License-Identifier: Apache-2.0
// A regular file that is read by position, with what tells whether another file has taken its place since.

import type { BigIntStats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { LlamaGuardError, fromFileSystem } from '../errors/index.js';

/** One positional read asks for at most this much; the operating system's limit is just below 2 GiB. */
const maxReadBytes = 1 << 30;

/** Differs between two files of one name, and between one file before and after it was written to. */
export interface FileStamp {
  readonly bytes: number;
  readonly modifiedNs: bigint;
  readonly inode: bigint;
}

/** An open file. Owns a file handle until `close()`; reads may run side by side. */
export class RegularFile {
  private constructor(
    readonly path: string,
    /** As it was when the file was opened. */
    readonly stamp: FileStamp,
    private readonly handle: FileHandle,
  ) {}

  /**
   * Opens for reading; looks first, since opening a pipe would wait for a writer.
   * @throws {ERR_LLAMA_GUARD_MODEL_NOT_FOUND} there is no such file
   * @throws {ERR_LLAMA_GUARD_UNREADABLE} it is not a regular file or may not be read
   */
  static async open(path: string): Promise<RegularFile> {
    try {
      if ((await stat(path)).isFile()) return await RegularFile.opened(path, await open(path, 'r'));
    } catch (error) {
      throw fromFileSystem(error, path, 'reading');
    }
    throw new LlamaGuardError('ERR_LLAMA_GUARD_UNREADABLE', `${path} is not a regular file`);
  }

  private static async opened(path: string, handle: FileHandle): Promise<RegularFile> {
    try {
      return new RegularFile(path, stampOf(await handle.stat({ bigint: true })), handle);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /**
   * The bytes from `begin` up to but not `end`, absolute offsets in the file.
   * @param into where to put them, at its start; a new array by default
   * @throws {ERR_LLAMA_GUARD_TRUNCATED} the file ends before them
   * @throws {ERR_LLAMA_GUARD_UNREADABLE} the read failed
   */
  async readRange(begin: number, end: number, into: Uint8Array = new Uint8Array(end - begin)): Promise<Uint8Array> {
    let at = begin;
    while (at < end) {
      const length = Math.min(end - at, maxReadBytes);
      const { bytesRead } = await this.handle.read(into, at - begin, length, at).catch((error: unknown) => {
        throw fromFileSystem(error, this.path, 'reading');
      });
      if (bytesRead === 0) {
        throw new LlamaGuardError('ERR_LLAMA_GUARD_TRUNCATED', `${this.path} ends at byte ${at} while it is being read`);
      }
      at += bytesRead;
    }
    return into;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.handle.close();
  }
}

/**
 * The stamp of the file that a path means now.
 * @throws {ERR_LLAMA_GUARD_MODEL_NOT_FOUND} there is none
 * @throws {ERR_LLAMA_GUARD_UNREADABLE} it may not be looked at
 */
export async function fileStamp(path: string): Promise<FileStamp> {
  try {
    return stampOf(await stat(path, { bigint: true }));
  } catch (error) {
    throw fromFileSystem(error, path, 'reading');
  }
}

function stampOf({ size, mtimeNs, ino }: BigIntStats): FileStamp {
  return { bytes: Number(size), modifiedNs: mtimeNs, inode: ino };
}

/** Whether two stamps are those of one file, not written to in between. */
export function sameFile(a: FileStamp, b: FileStamp): boolean {
  return a.bytes === b.bytes && a.modifiedNs === b.modifiedNs && a.inode === b.inode;
}
