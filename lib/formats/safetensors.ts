// SPDX-License-Identifier: Apache-2.0
// Reads safetensors files: the checked header at once, tensor bytes on demand by position.
// The whole file is never held; callers that map the file need only the views.

import { type FileHandle, open, stat } from 'node:fs/promises';
import { LlamaGuardError, fromFileSystem } from '../errors/index.js';
import type { DType, TensorView } from '../native/addon.js';
import {
  type SafetensorsDType,
  type SafetensorsTensor,
  headerPrefixBytes,
  parseHeader,
  parseHeaderLength,
  quoteName,
} from './safetensors-header.js';

export type { SafetensorsDType, SafetensorsTensor } from './safetensors-header.js';

/** One positional read asks for at most this much; the operating system's limit is just below 2 GiB. */
const maxReadBytes = 1 << 30;

const containerTypes: readonly SafetensorsDType[] = ['U8', 'U32', 'I16', 'F16', 'BF16', 'F32'] satisfies DType[];

/** An open safetensors file. Owns a file handle until `close()`; reads may run side by side. */
export class SafetensorsFile {
  constructor(
    readonly path: string,
    readonly fileBytes: number,
    /** By name, in the order of their bytes in the file. */
    readonly tensors: ReadonlyMap<string, SafetensorsTensor>,
    readonly metadata: ReadonlyMap<string, string>,
    private readonly handle: FileHandle,
  ) {}

  /**
   * The tensor of that name.
   * @throws {ERR_LLAMA_GUARD_BAD_TENSOR} there is none
   */
  tensor(name: string): SafetensorsTensor {
    const tensor = this.tensors.get(name);
    if (tensor) return tensor;
    throw new LlamaGuardError('ERR_LLAMA_GUARD_BAD_TENSOR', `Tensor ${quoteName(name)} is missing in ${this.path}`);
  }

  /** The tensors as the addon takes them, without the padding between them. Tensors of other types are left out. */
  views(): TensorView[] {
    const isView = (tensor: SafetensorsTensor): tensor is SafetensorsTensor & TensorView =>
      containerTypes.includes(tensor.dtype) && !tensor.name.startsWith('pad.');
    return [...this.tensors.values()].filter(isView);
  }

  /** All bytes of a tensor. @throws {ERR_LLAMA_GUARD_BAD_TENSOR} there is none of that name */
  async read(name: string): Promise<Uint8Array> {
    const { begin, end } = this.tensor(name);
    return this.readRange(begin, end);
  }

  /**
   * The bytes from `begin` up to but not `end`, absolute offsets in the file.
   * @param into where to put them, at its start; a new array by default
   * @throws {ERR_LLAMA_GUARD_TRUNCATED} the file has become shorter
   * @throws {ERR_LLAMA_GUARD_UNREADABLE} the read failed
   */
  async readRange(begin: number, end: number, into = new Uint8Array(end - begin)): Promise<Uint8Array> {
    await readFully(this.handle, into.subarray(0, end - begin), begin, this.path);
    return into;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.handle.close();
  }
}

/**
 * Opens a safetensors file with its header read and checked.
 * @throws {ERR_LLAMA_GUARD_MODEL_NOT_FOUND} there is no such file
 * @throws {ERR_LLAMA_GUARD_UNREADABLE} it is not a regular file or may not be read
 * @throws {ERR_LLAMA_GUARD_TRUNCATED} it is shorter than its header says
 * @throws {ERR_LLAMA_GUARD_BAD_FORMAT} it is no safetensors file
 * @throws {ERR_LLAMA_GUARD_BAD_TENSOR} the header describes an impossible tensor
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const handle = await openRegularFile(path);
  try {
    const { size } = await handle.stat();
    const prefix = new Uint8Array(Math.min(size, headerPrefixBytes));
    await readFully(handle, prefix, 0, path);
    const json = new Uint8Array(parseHeaderLength(prefix, size, path));
    await readFully(handle, json, headerPrefixBytes, path);
    const { tensors, metadata } = parseHeader(json, size, path);
    return new SafetensorsFile(path, size, tensors, metadata, handle);
  } catch (error) {
    await handle.close();
    throw fromFileSystem(error, path, 'reading');
  }
}

/** Opens for reading; looks first, since opening a pipe would wait for a writer. */
async function openRegularFile(path: string): Promise<FileHandle> {
  try {
    const stats = await stat(path);
    if (stats.isFile()) return await open(path, 'r');
  } catch (error) {
    throw fromFileSystem(error, path, 'reading');
  }
  throw new LlamaGuardError('ERR_LLAMA_GUARD_UNREADABLE', `${path} is not a regular file`);
}

async function readFully(handle: FileHandle, into: Uint8Array, position: number, path: string): Promise<void> {
  let done = 0;
  while (done < into.length) {
    const length = Math.min(into.length - done, maxReadBytes);
    const { bytesRead } = await handle.read(into, done, length, position + done).catch((error: unknown) => {
      throw fromFileSystem(error, path, 'reading');
    });
    if (bytesRead === 0) {
      throw new LlamaGuardError('ERR_LLAMA_GUARD_TRUNCATED', `${path} ends at byte ${position + done} while it is being read`);
    }
    done += bytesRead;
  }
}
