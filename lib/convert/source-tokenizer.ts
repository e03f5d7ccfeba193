// SPDX-License-Identifier: Apache-2.0
// The tokenizer of a source folder, in its prepared form: read from tokenizer.json or tokenizer.model, written as
// tokenizer.safetensors.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LlamaGuardError, fromFileSystem } from '../errors/index.js';
import { SafetensorsWriter } from '../formats/safetensors-writer.js';
import { Tokenizer } from '../tokenizer/index.js';

/** Reads text as a tokenizer, by the file's name; the first that is there is taken. */
const readers = [
  ['tokenizer.json', (text: string) => Tokenizer.fromTokenizerJson(text)],
  ['tokenizer.model', (text: string) => Tokenizer.fromTiktoken(text)],
] as const;

/**
 * The tokenizer of a source folder.
 * @param vocabSize rows of the embedding, which the tokenizer's ids must not exceed
 * @throws {ERR_LLAMA_GUARD_MODEL_NOT_FOUND} there is none
 * @throws {ERR_LLAMA_GUARD_UNREADABLE} it cannot be read
 * @throws {ERR_LLAMA_GUARD_BAD_TOKENIZER} it is damaged, of another kind, or has more tokens than the model
 */
export async function readSourceTokenizer(folder: string, vocabSize: number): Promise<Tokenizer> {
  const found = readers.find(([name]) => existsSync(join(folder, name)));
  if (!found) {
    const names = readers.map(([name]) => name).join(' nor ');
    throw new LlamaGuardError('ERR_LLAMA_GUARD_MODEL_NOT_FOUND', `${folder} has neither ${names}`);
  }
  const [name, read] = found;
  const path = join(folder, name);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw fromFileSystem(error, path, 'reading');
  });
  const tokenizer = read(text);
  if (tokenizer.vocabSize <= vocabSize) return tokenizer;
  throw new LlamaGuardError(
    'ERR_LLAMA_GUARD_BAD_TOKENIZER',
    `${path} has ${tokenizer.vocabSize} tokens, but the model has an embedding for ${vocabSize}`,
  );
}

/** Writes tokenizer.safetensors into a folder. @throws {ERR_LLAMA_GUARD_WRITE_FAILED} it cannot be written */
export async function writeTokenizer(tokenizer: Tokenizer, folder: string): Promise<void> {
  const { tensors, metadata } = tokenizer.toTensors();
  const writer = await SafetensorsWriter.create(join(folder, 'tokenizer.safetensors'), tensors, metadata);
  for (const { name, data } of tensors) await writer.write(name, data);
  await writer.finish();
}
