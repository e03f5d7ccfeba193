// SPDX-License-Identifier: Apache-2.0
// Reads safetensors files: the checked header at once, tensor bytes on demand by position.
// The whole file is never held; callers that map the file need only the views.

import { LlamaGuardError } from '../errors/index.js';
import type { DType, TensorView } from '../native/addon.js';
import { type FileStamp, RegularFile } from './regular-file.js';
import {
  type SafetensorsDType,
  type SafetensorsTensor,
  headerPrefixBytes,
  parseHeader,
  parseHeaderLength,
  quoteName,
} from './safetensors-header.js';

export type { SafetensorsDType, SafetensorsTensor } from './safetensors-header.js';

const containerTypes: readonly SafetensorsDType[] = ['U8', 'U32', 'I16', 'F16', 'BF16', 'F32'] satisfies DType[];

/** An open safetensors file. Owns a file handle until `close()`; reads may run side by side. */
export class SafetensorsFile {
  constructor(
    /** By name, in the order of their bytes in the file. */
    readonly tensors: ReadonlyMap<string, SafetensorsTensor>,
    readonly metadata: ReadonlyMap<string, string>,
    private readonly file: RegularFile,
  ) {}

  get path(): string {
    return this.file.path;
  }

  get fileBytes(): number {
    return this.file.stamp.bytes;
  }

  /** As it was when the file was opened. */
  get stamp(): FileStamp {
    return this.file.stamp;
  }

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
  readRange(begin: number, end: number, into?: Uint8Array): Promise<Uint8Array> {
    return this.file.readRange(begin, end, into);
  }

  /** Idempotent. */
  close(): Promise<void> {
    return this.file.close();
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
  const file = await RegularFile.open(path);
  try {
    const { bytes } = file.stamp;
    const prefix = await file.readRange(0, Math.min(bytes, headerPrefixBytes));
    const json = new Uint8Array(parseHeaderLength(prefix, bytes, path));
    await file.readRange(headerPrefixBytes, headerPrefixBytes + json.length, json);
    const { tensors, metadata } = parseHeader(json, bytes, path);
    return new SafetensorsFile(tensors, metadata, file);
  } catch (error) {
    await file.close();
    throw error;
  }
}
