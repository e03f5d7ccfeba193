// SPDX-License-Identifier: Apache-2.0
// The header of a safetensors file: parsed and checked before anyone computes an address from it.
// Ranges must tile the data exactly, as the format demands: no overlap, no hole, nothing behind the last tensor.

import { LlamaGuardError } from '../errors/index.js';

/** Bytes of one element of each type that a file may hold; the types below one byte are not supported. */
const elementBytes = {
  BOOL: 1, U8: 1, I8: 1, F8_E4M3: 1, F8_E5M2: 1, F8_E8M0: 1,
  I16: 2, U16: 2, F16: 2, BF16: 2,
  I32: 4, U32: 4, F32: 4,
  I64: 8, U64: 8, F64: 8, C64: 8,
} as const satisfies Record<string, number>;

/** Element type of a tensor in a safetensors file; wider than what a converted model uses. */
export type SafetensorsDType = keyof typeof elementBytes;

/** A tensor of a safetensors file; `begin` and `end` are absolute byte offsets in it. */
export interface SafetensorsTensor {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** In the order of their bytes in the file. */
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>;
  readonly metadata: ReadonlyMap<string, string>;
  /** Where the data begins: 8 bytes of length and the JSON text come before it. */
  readonly dataBegin: number;
}

/** Bytes before the JSON text: its length as a 64-bit number. */
export const headerPrefixBytes = 8;

/** The format's own limit for the JSON text. */
export const maxHeaderBytes = 100_000_000;

const openingBrace = 0x7b;

/** Bytes of a tensor, or NaN where the product of the shape is beyond 2^53. */
export function tensorBytes(dtype: SafetensorsDType, shape: readonly number[]): number {
  if (shape.includes(0)) return 0;
  let bytes: number = elementBytes[dtype];
  for (const size of shape) {
    bytes *= size;
    if (!Number.isSafeInteger(bytes)) return Number.NaN;
  }
  return bytes;
}

/** A name from a file, made fit for a message: escaped and bounded. */
export function quoteName(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}...` : name);
}

/**
 * The length of the JSON text from the first 8 bytes of a file.
 * @throws {ERR_LLAMA_GUARD_TRUNCATED} the file ends before the header does
 * @throws {ERR_LLAMA_GUARD_BAD_FORMAT} the length is beyond what the format allows
 */
export function parseHeaderLength(prefix: Uint8Array, fileBytes: number, path: string): number {
  if (prefix.length < headerPrefixBytes) {
    throw new LlamaGuardError('ERR_LLAMA_GUARD_TRUNCATED', `${path} has ${fileBytes} bytes, too few for a safetensors file`);
  }
  const length = new DataView(prefix.buffer, prefix.byteOffset, headerPrefixBytes).getBigUint64(0, true);
  if (length < 2n || length > BigInt(maxHeaderBytes)) {
    throw badFormat(path, `its header claims ${length} bytes, allowed are 2 to ${maxHeaderBytes}`);
  }
  if (headerPrefixBytes + Number(length) > fileBytes) {
    throw new LlamaGuardError(
      'ERR_LLAMA_GUARD_TRUNCATED',
      `${path} has ${fileBytes} bytes, but its header alone takes ${headerPrefixBytes + Number(length)}`,
    );
  }
  return Number(length);
}

/**
 * The tensors that a header lists, each checked against its type, its shape, its neighbours and the size of the file.
 * @param json the JSON text, without the 8 bytes before it
 * @param fileBytes size of the whole file
 * @throws {ERR_LLAMA_GUARD_BAD_FORMAT} no valid JSON object, or bytes behind the last tensor
 * @throws {ERR_LLAMA_GUARD_BAD_TENSOR} a tensor's type, shape or range is impossible; names the tensor
 * @throws {ERR_LLAMA_GUARD_TRUNCATED} the file ends before the last tensor does
 */
export function parseHeader(json: Uint8Array, fileBytes: number, path: string): SafetensorsHeader {
  const entries = parseJsonObject(json, path);
  const dataBegin = headerPrefixBytes + json.length;
  const tensors: SafetensorsTensor[] = [];
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const [name, value] of entries) {
    if (name === '__metadata__') metadata = parseMetadata(value, path);
    else tensors.push(parseTensor(name, value, dataBegin, path));
  }
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkTiling(tensors, dataBegin, fileBytes, path);
  return { tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])), metadata, dataBegin };
}

function parseJsonObject(json: Uint8Array, path: string): [string, unknown][] {
  if (json[0] !== openingBrace) throw badFormat(path, 'it is no safetensors file (the header does not begin with "{")');
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch (error) {
    throw badFormat(path, 'its header is not valid JSON', error);
  }
  return Object.entries(value as object);
}

function parseMetadata(value: unknown, path: string): ReadonlyMap<string, string> {
  const entries = isRecord(value) ? Object.entries(value) : undefined;
  if (!entries?.every((entry): entry is [string, string] => typeof entry[1] === 'string')) {
    throw badFormat(path, 'its __metadata__ is not an object of strings');
  }
  return new Map(entries);
}

function parseTensor(name: string, value: unknown, dataBegin: number, path: string): SafetensorsTensor {
  if (!isRecord(value)) throw badTensor(path, name, 'is not described by an object');
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(elementBytes, dtype)) {
    throw badTensor(path, name, `has the unknown type ${JSON.stringify(dtype)?.slice(0, 40)}`);
  }
  if (!isSizes(shape)) throw badTensor(path, name, 'has a shape that is no list of sizes');
  if (!isSizes(offsets) || offsets.length !== 2) throw badTensor(path, name, 'has data_offsets that are no pair of offsets');
  const [begin, end] = offsets as [number, number];
  const bytes = tensorBytes(dtype as SafetensorsDType, shape);
  if (Number.isNaN(bytes)) throw badTensor(path, name, `has the shape [${describe(shape)}], whose size overflows`);
  if (end - begin !== bytes) {
    throw badTensor(path, name, `of ${dtype} [${describe(shape)}] needs ${bytes} bytes, but its range ${begin}..${end} has ${end - begin}`);
  }
  return { name, dtype: dtype as SafetensorsDType, shape, begin: dataBegin + begin, end: dataBegin + end };
}

function checkTiling(tensors: readonly SafetensorsTensor[], dataBegin: number, fileBytes: number, path: string): void {
  let at = dataBegin;
  for (const { name, begin, end } of tensors) {
    if (end > Number.MAX_SAFE_INTEGER) throw badTensor(path, name, 'ends beyond any file');
    if (begin < at) throw badTensor(path, name, `begins at byte ${begin}, inside the tensor before it, which ends at ${at}`);
    if (begin > at) throw badTensor(path, name, `begins at byte ${begin}, but the tensor before it ends at ${at} (file: ${fileBytes} bytes)`);
    at = end;
  }
  if (at > fileBytes) {
    throw new LlamaGuardError('ERR_LLAMA_GUARD_TRUNCATED', `${path} has ${fileBytes} bytes, but its tensors end at byte ${at}`);
  }
  if (at < fileBytes) throw badFormat(path, `it has ${fileBytes} bytes, but its tensors end at byte ${at}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function describe(shape: readonly number[]): string {
  return shape.length > 8 ? `${shape.slice(0, 8).join(', ')}, ...` : shape.join(', ');
}

function badFormat(path: string, what: string, cause?: unknown): LlamaGuardError {
  return new LlamaGuardError('ERR_LLAMA_GUARD_BAD_FORMAT', `${path} cannot be used: ${what}`, { cause });
}

function badTensor(path: string, name: string, what: string): LlamaGuardError {
  return new LlamaGuardError('ERR_LLAMA_GUARD_BAD_TENSOR', `Tensor ${quoteName(name)} of ${path} ${what}`);
}
