// SPDX-License-Identifier: Apache-2.0
// One snapshot: the keys and values of a policy prefix in a safetensors file (docs/prefix-cache.md). Model, tokens, keys
// and values decide every byte of it, so a reader knows the header that it must find and parses none.

import { createHash } from 'node:crypto';
import { rmdir } from 'node:fs/promises';

import { LlamaGuardError } from '../errors/index.js';
import { hashBytes, hashRange } from '../formats/hash-pieces.js';
import { RegularFile } from '../formats/regular-file.js';
import {
  layOutSafetensors,
  type SafetensorsLayout,
  SafetensorsWriter,
  type TensorDeclaration,
  type TensorPlace,
} from '../formats/safetensors-writer.js';
import { packageVersion } from '../native/package-version.js';

/** Raised with every change of the file or of what exportKv() gives for the same keys and values. */
export const snapshotFormatVersion = 1;

/** What a snapshot is for. */
export interface SnapshotSubject {
  /** As modelKey() gives it. */
  readonly modelKey: string;
  /** Exact ids, at least one. */
  readonly tokens: Uint32Array;
  /** Segments that the keys and values of these tokens take. */
  readonly segments: number;
  readonly segmentBytes: number;
}

export type SnapshotState =
  | { readonly state: 'whole'; /** Absolute byte offset of the keys and values. */ readonly kvBegin: number; readonly modifiedMs: number }
  | { readonly state: 'missing' }
  | { readonly state: 'unusable'; readonly reason: string };

/** File name of a snapshot: the beginning of a SHA-256 over all that it is for. */
export function snapshotName(subject: SnapshotSubject): string {
  const hash = createHash('sha256').update(JSON.stringify(identity(subject))).update(bytesOf(subject.tokens));
  return `prefix-${hash.digest('hex').slice(0, 32)}.safetensors`;
}

/** What a file of that name is: a snapshot, one in the making, or none (undefined). */
export function snapshotKind(name: string): 'snapshot' | 'partial' | undefined {
  const match = /^prefix-[0-9a-f]{32}\.safetensors(\.partial-[0-9a-f]{12})?$/.exec(name);
  return match ? (match[1] === undefined ? 'snapshot' : 'partial') : undefined;
}

/** Size of a snapshot. */
export function snapshotBytes(subject: SnapshotSubject): number {
  return layOut(subject, noChecksum).fileBytes;
}

/**
 * Writes a snapshot. It appears under its name when it is complete and flushed to the disk, in place of what was there.
 * @param kv [segments][segmentBytes], as exportKv() gives it
 * @param mode permissions of the file
 * @throws {ERR_LLAMA_GUARD_WRITE_FAILED} it cannot be written; nothing is left then
 */
export async function writeSnapshot(path: string, subject: SnapshotSubject, kv: Uint8Array, mode: number): Promise<void> {
  const checksum = await checksumOf(subject, kv);
  // A file takes the place of another one, but not of a folder.
  await rmdir(path).catch(() => undefined);
  const writer = await SafetensorsWriter.create(path, tensorsOf(subject), metadata(subject, checksum), mode);
  await writer.write('tokens', bytesOf(subject.tokens));
  await writer.write('kv', kv);
  await writer.finish();
}

/** Reads all of a snapshot and compares it with what it must be. Rejects only where the check itself is at fault. */
export async function checkSnapshot(path: string, subject: SnapshotSubject): Promise<SnapshotState> {
  try {
    const file = await RegularFile.open(path);
    try {
      const problem = await problemOf(file, subject);
      if (problem !== undefined) return { state: 'unusable', reason: problem };
      const modifiedMs = Number(file.stamp.modifiedNs / 1_000_000n);
      return { state: 'whole', kvBegin: place(layOut(subject, noChecksum), 'kv').begin, modifiedMs };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (!LlamaGuardError.isInstance(error)) throw error;
    if (error.code === 'ERR_LLAMA_GUARD_MODEL_NOT_FOUND') return { state: 'missing' };
    return { state: 'unusable', reason: `it cannot be read, ${error.code}` };
  }
}

async function problemOf(file: RegularFile, subject: SnapshotSubject): Promise<string | undefined> {
  const layout = layOut(subject, noChecksum);
  const { bytes } = file.stamp;
  if (bytes !== layout.fileBytes) return `it has ${bytes} bytes, expected were ${layout.fileBytes}`;
  const { begin, bytes: tokenBytes } = place(layout, 'tokens');
  const tokens = await file.readRange(begin, begin + tokenBytes);
  if (Buffer.compare(tokens, bytesOf(subject.tokens)) !== 0) return 'it is of other tokens, or damaged';
  const hash = createHash('sha256');
  await hashRange(hash, file, layout.header.length, bytes);
  const expected = layOut(subject, hash.digest('hex')).header;
  const found = await file.readRange(0, expected.length);
  if (Buffer.compare(found, expected) !== 0) return 'it is of another model or version, or damaged';
  return undefined;
}

/** As long as every checksum, for layouts of which only places and sizes matter. */
const noChecksum = '0'.repeat(64);

function layOut(subject: SnapshotSubject, checksum: string): SafetensorsLayout {
  return layOutSafetensors(tensorsOf(subject), metadata(subject, checksum));
}

function tensorsOf({ tokens, segments, segmentBytes }: SnapshotSubject): TensorDeclaration[] {
  return [
    { name: 'tokens', dtype: 'U32', shape: [tokens.length] },
    { name: 'kv', dtype: 'F16', shape: [segments, segmentBytes / 2] },
  ];
}

function identity({ modelKey }: SnapshotSubject): Record<string, string> {
  return {
    format: 'llama-guard-int4 prefix snapshot',
    formatVersion: String(snapshotFormatVersion),
    generator: `llama-guard-int4 ${packageVersion()}`,
    modelKey,
  };
}

function metadata(subject: SnapshotSubject, checksum: string): Record<string, string> {
  return { ...identity(subject), sha256: checksum };
}

/** SHA-256 over all bytes behind the header: tokens, keys and values, and the zeros that align them. */
async function checksumOf(subject: SnapshotSubject, kv: Uint8Array): Promise<string> {
  const layout = layOut(subject, noChecksum);
  const { begin, bytes } = place(layout, 'kv');
  const head = new Uint8Array(begin - layout.header.length);
  head.set(bytesOf(subject.tokens));
  const hash = createHash('sha256').update(head);
  await hashBytes(hash, kv);
  return hash.update(new Uint8Array(layout.fileBytes - begin - bytes)).digest('hex');
}

function place({ places }: SafetensorsLayout, name: string): TensorPlace {
  const found = places.get(name);
  if (!found) throw new LlamaGuardError('ERR_LLAMA_GUARD_INTERNAL', `A snapshot has no tensor ${name}`);
  return found;
}

function bytesOf(tokens: Uint32Array): Uint8Array {
  return new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
}
