// SPDX-License-Identifier: Apache-2.0
// Files that a command reads and writes, "-" being standard input and output.

import { createReadStream } from 'node:fs';
import { type FileHandle, open, readFile, realpath, stat } from 'node:fs/promises';

import { fromFileSystem } from '../errors/index.js';
import { StagedOutput } from '../formats/staged-output.js';
import { UsageError } from './command.js';

export async function readText(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).replace(/^\uFEFF/, ''); // a byte order mark, which JSON.parse refuses
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** The bytes of a file, piece by piece; a signal that fires ends the wait for more, with its reason. */
export async function* readBytes(file: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  const stream = file === '-' ? process.stdin : createReadStream(file);
  const stop = (): void => void stream.destroy(signal.reason as Error);
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const chunk of stream) yield chunk as Buffer;
  } catch (error) {
    throw signal.aborted ? (signal.reason as Error) : unreadable(file, error);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** All of standard input as text. */
export async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of readBytes('-', new AbortController().signal)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** Where lines go. Ends with `finish` or `abort`. */
export interface LineSink {
  write(line: string): Promise<void>;
  finish(): Promise<void>;
  abort(): Promise<void>;
}

/** Regular files appear when they are complete; anything else (a pipe, a device) is written directly. */
export async function openSink(file: string): Promise<LineSink> {
  if (file === '-') return stdoutSink;
  const target = await existing(file);
  if (target !== undefined && !target.regular) return fileSink(file, file);
  const staged = await StagedOutput.create(target?.path ?? file, 'file');
  return fileSink(staged.path, file, staged);
}

const stdoutSink: LineSink = {
  write: (line) =>
    new Promise((resolve, reject) => {
      process.stdout.write(`${line}\n`, (error) => (error ? reject(error) : resolve()));
    }),
  finish: () => Promise.resolve(),
  abort: () => Promise.resolve(),
};

async function fileSink(path: string, name: string, staged?: StagedOutput): Promise<LineSink> {
  const checked = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw fromFileSystem(error, name, 'writing');
    }
  };
  const handle: FileHandle = await checked(open(path, 'w'));
  return {
    write: (line) => checked(handle.appendFile(`${line}\n`)),
    finish: async () => {
      await checked(handle.close());
      await staged?.commit();
    },
    abort: async () => {
      await handle.close();
      await staged?.discard();
    },
  };
}

/** What lies at `file` now, with symbolic links followed; undefined where nothing does. */
async function existing(file: string): Promise<{ path: string; regular: boolean } | undefined> {
  try {
    return { path: await realpath(file), regular: (await stat(file)).isFile() };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fromFileSystem(error, file, 'writing');
  }
}

function unreadable(file: string, error: unknown): UsageError {
  return new UsageError(`Cannot read ${file} (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
}
