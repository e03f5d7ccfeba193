// SPDX-License-Identifier: Apache-2.0
// Writes safetensors files whose tensors all start on a 64-byte boundary (docs/packing-format.md). Tensors are declared
// first; their bytes then come in any order and in pieces of any size, straight to the disk.

import { type FileHandle, open } from 'node:fs/promises';
import { LlamaGuardError, fromFileSystem } from '../errors/index.js';
import { type SafetensorsDType, headerPrefixBytes, tensorBytes } from './safetensors-header.js';
import { StagedOutput } from './staged-output.js';

const alignment = 64;

export interface TensorDeclaration {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
}

/** Where a tensor lies. */
export interface TensorPlace {
  /** Absolute byte offset. */
  readonly begin: number;
  readonly bytes: number;
}

/** What a file with given tensors consists of; all bytes that belong to no tensor and not to the header are zero. */
export interface SafetensorsLayout {
  /** From the first byte of the file on. */
  readonly header: Uint8Array;
  readonly places: ReadonlyMap<string, TensorPlace>;
  readonly fileBytes: number;
}

/** A safetensors file in the making. Ends with `finish` or `abort`. Writes may run side by side. */
export class SafetensorsWriter {
  /** Bytes written so far, by tensor. */
  private readonly written = new Map<string, number>();

  private constructor(
    readonly path: string,
    /** Size of the complete file. */
    readonly fileBytes: number,
    private readonly places: ReadonlyMap<string, TensorPlace>,
    private readonly staged: StagedOutput,
    private readonly handle: FileHandle,
  ) {}

  /**
   * Creates the file under a temporary name, with its header written and its final size set.
   * @param path final path; an older file there is replaced by `finish`
   * @param declarations all tensors, in the order of their bytes; names starting with `pad.` are taken
   * @param metadata strings for a reader who wants to know what the file is
   * @param mode permissions of the file, before the process's umask
   * @throws {ERR_LLAMA_GUARD_WRITE_FAILED} it cannot be written
   */
  static async create(
    path: string,
    declarations: readonly TensorDeclaration[],
    metadata?: Readonly<Record<string, string>>,
    mode?: number,
  ): Promise<SafetensorsWriter> {
    const { header, places, fileBytes } = layOutSafetensors(declarations, metadata);
    const staged = await StagedOutput.create(path, 'file', mode);
    try {
      const handle = await open(staged.path, 'r+');
      const writer = new SafetensorsWriter(path, fileBytes, places, staged, handle);
      await writer.writeAt(header, 0);
      await handle.truncate(fileBytes).catch((error: unknown) => writer.fail(error));
      return writer;
    } catch (error) {
      await staged.discard();
      throw fromFileSystem(error, path, 'writing');
    }
  }

  /**
   * Writes a piece of a tensor.
   * @param offset where the piece begins, in bytes from the start of the tensor
   * @throws {ERR_LLAMA_GUARD_WRITE_FAILED} the disk is full or the file may not be written; the temporary is gone then
   */
  async write(name: string, bytes: Uint8Array, offset = 0): Promise<void> {
    const place = this.places.get(name);
    if (!place || offset < 0 || offset + bytes.length > place.bytes) {
      throw new LlamaGuardError('ERR_LLAMA_GUARD_INTERNAL', `Tensor ${name} has no bytes ${offset}..${offset + bytes.length}`);
    }
    await this.writeAt(bytes, place.begin + offset);
    this.written.set(name, (this.written.get(name) ?? 0) + bytes.length);
  }

  /**
   * Flushes to the disk and gives the file its final name.
   * @throws {ERR_LLAMA_GUARD_INTERNAL} a tensor was not written to its end
   * @throws {ERR_LLAMA_GUARD_WRITE_FAILED} the disk refused
   */
  async finish(): Promise<void> {
    for (const [name, { bytes }] of this.places) {
      const written = this.written.get(name) ?? 0;
      if (bytes === written) continue;
      await this.abort();
      throw new LlamaGuardError('ERR_LLAMA_GUARD_INTERNAL', `Tensor ${name} got ${written} of its ${bytes} bytes`);
    }
    try {
      await this.handle.sync();
      await this.handle.close();
    } catch (error) {
      return this.fail(error);
    }
    await this.staged.commit();
  }

  /** Removes the temporary. Idempotent; does nothing after `finish`. */
  async abort(): Promise<void> {
    await this.handle.close();
    await this.staged.discard();
  }

  private async writeAt(bytes: Uint8Array, position: number): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      const { bytesWritten } = await this.handle
        .write(bytes, done, bytes.length - done, position + done)
        .catch((error: unknown) => this.fail(error));
      done += bytesWritten;
    }
  }

  private async fail(error: unknown): Promise<never> {
    await this.abort();
    throw fromFileSystem(error, this.path, 'writing');
  }
}

/**
 * The header and where each tensor lies: a U8 tensor `pad.<number>` follows each one that does not end on the boundary.
 * @throws {ERR_LLAMA_GUARD_INTERNAL} two tensors have one name, or a size is beyond 2^53
 */
export function layOutSafetensors(
  declarations: readonly TensorDeclaration[],
  metadata?: Readonly<Record<string, string>>,
): SafetensorsLayout {
  const entries: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  const offsets = new Map<string, TensorPlace>();
  let at = 0;
  const place = ({ name, dtype, shape }: TensorDeclaration): void => {
    const bytes = tensorBytes(dtype, shape);
    if (Object.hasOwn(entries, name) || Number.isNaN(bytes)) {
      throw new LlamaGuardError('ERR_LLAMA_GUARD_INTERNAL', `Tensor ${name} is declared twice or too large`);
    }
    entries[name] = { dtype, shape, data_offsets: [at, at + bytes] };
    offsets.set(name, { begin: at, bytes });
    at += bytes;
  };
  let pads = 0;
  for (const declaration of declarations) {
    place(declaration);
    const missing = -at & (alignment - 1);
    if (missing > 0) {
      const name = `pad.${pads++}`;
      place({ name, dtype: 'U8', shape: [missing] });
      offsets.delete(name);
    }
  }
  const header = encodeHeader(JSON.stringify(entries));
  const places = [...offsets].map(
    ([name, { begin, bytes }]): [string, TensorPlace] => [name, { begin: header.length + begin, bytes }],
  );
  return { header, places: new Map(places), fileBytes: header.length + at };
}

function encodeHeader(json: string): Uint8Array {
  const text = new TextEncoder().encode(json);
  const bytes = Math.ceil((headerPrefixBytes + text.length) / alignment) * alignment;
  const header = new Uint8Array(bytes).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(bytes - headerPrefixBytes), true);
  header.set(text, headerPrefixBytes);
  return header;
}
