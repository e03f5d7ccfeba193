// SPDX-License-Identifier: Apache-2.0
// A tokenizer for a synthetic model: the first of the demo model's tokens, so that text becomes about as many tokens as in
// Llama 3's, filled up to the size of the real vocabulary with tokens that no text contains, and Llama 3's 256 control
// tokens.

import { join } from 'node:path';
import { LlamaGuardError } from '../errors/index.js';
import { openSafetensors } from '../formats/safetensors.js';
import { packageRoot } from '../native/host.js';
import { Tokenizer } from '../tokenizer/index.js';

const controlTokens = 256;

/** So many that the official policy is 136 tokens, as in Llama 3's tokenizer. The words of a verdict are among them. */
const demoTokenCount = 1818;

/**
 * @param vocabSize ids in all, control tokens included
 * @throws {ERR_LLAMA_GUARD_INVALID_ARGUMENT} too few for the demo model's tokens that are taken and the control tokens
 */
export async function synthesizeTokenizer(vocabSize: number): Promise<Tokenizer> {
  const demo = await demoTokens();
  const fillers = vocabSize - controlTokens - demo.length;
  if (fillers < 0) {
    throw new LlamaGuardError('ERR_LLAMA_GUARD_INVALID_ARGUMENT', `vocabSize must be at least ${vocabSize - fillers}, found ${vocabSize}`);
  }
  const tokens = [...demo, ...Array.from({ length: fillers }, (_, i) => fillerToken(i))];
  return Tokenizer.fromTiktoken(tokens.map((token, rank) => `${Buffer.from(token).toString('base64')} ${rank}`).join('\n'));
}

/** The first of the demo tokenizer's tokens, by id, from its prepared form. */
async function demoTokens(): Promise<Uint8Array[]> {
  const file = await openSafetensors(join(packageRoot(), 'models', 'demo', 'tokenizer.safetensors'));
  try {
    const offsets = new Uint32Array((await file.read('token_offsets')).buffer);
    const bytes = await file.read('token_bytes');
    return Array.from({ length: demoTokenCount }, (_, id) => bytes.subarray(offsets[id], offsets[id + 1]));
  } finally {
    await file.close();
  }
}

/** 0xFF begins no UTF-8 sequence, so no text contains these bytes. Each is a shorter one and a single byte. */
function fillerToken(index: number): Uint8Array {
  if (index < 2 ** 8) return Uint8Array.of(0xff, index);
  const rest = index - 2 ** 8;
  if (rest < 2 ** 16) return Uint8Array.of(0xff, rest >> 8, rest & 255);
  const last = rest - 2 ** 16;
  return Uint8Array.of(0xff, (last >> 16) & 255, (last >> 8) & 255, last & 255);
}
