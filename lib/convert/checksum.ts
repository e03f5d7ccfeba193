// SPDX-License-Identifier: Apache-2.0
// SHA-256 of files that are too large to hold.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { fromFileSystem } from '../errors/index.js';

const readBytes = 1 << 20;

/**
 * SHA-256 of a file, in hexadecimal.
 * @param onBytes hears the size of each piece that was read; throws to stop
 * @throws {ERR_LLAMA_GUARD_UNREADABLE} it cannot be read
 */
export async function fileSha256(path: string, onBytes: (bytes: number) => void): Promise<string> {
  const hash = createHash('sha256');
  const stream = createReadStream(path, { highWaterMark: readBytes });
  try {
    for await (const piece of stream as AsyncIterable<Uint8Array>) {
      hash.update(piece);
      onBytes(piece.length);
    }
  } catch (error) {
    throw typeof (error as NodeJS.ErrnoException).syscall === 'string' ? fromFileSystem(error, path, 'reading') : error;
  }
  return hash.digest('hex');
}
