// SPDX-License-Identifier: Apache-2.0
// A GGUF file (version 3) with the dimensions of Llama Guard 3-1B-INT4 and random weights, for the peer. Linear layers
// and the embedding are Q4_0: blocks of 32 values, an f16 scale, then 16 bytes whose low nibbles are the first 16 values.
// A vocabulary of 320 with a tied head stands for the guard's head of 20 rows. The same bytes each time.

import { createHash } from 'node:crypto';
import { open, rename } from 'node:fs/promises';

import { lab } from '../../test/native/lab.js';
import { Random } from '../../test/native/random.js';

const dims = { layers: 12, hidden: 2048, feedForward: 6400, heads: 32, kvHeads: 8, headDim: 64, vocab: 320, context: 131072 };
const controlTokens = 16;
const alignment = 32;
const block = { values: 32, bytes: 18 } as const;
/** Blocks that are drawn; tensors are windows of them, which changes nothing about speed. */
const poolBlocks = 1 << 16;

interface Tensor {
  readonly name: string;
  /** Fastest first. */
  readonly shape: readonly number[];
  /** GGML's number of the type: 0 = F32, 2 = Q4_0. */
  readonly type: 0 | 2;
  readonly bytes: number;
}

/** Writes the file; its name appears only when it is whole. Returns its size in bytes. */
export async function writePeerModel(file: string): Promise<number> {
  const tensors = tensorList();
  const partial = `${file}.part`;
  const handle = await open(partial, 'w');
  try {
    const head = header(tensors);
    await handle.write(padded(head));
    for (const tensor of tensors) await handle.write(padded(tensorBytes(tensor)));
    await handle.sync();
    const { size } = await handle.stat();
    await rename(partial, file);
    return size;
  } finally {
    await handle.close();
  }
}

/** Changes whenever the file's description would, so that an old file is not taken for a new one. */
export function peerModelName(): string {
  return `guard-${createHash('sha256').update(header(tensorList())).digest('hex').slice(0, 12)}.gguf`;
}

function tensorList(): Tensor[] {
  const { hidden, feedForward, kvHeads, headDim, vocab, layers } = dims;
  const floats = (name: string, count: number): Tensor => ({ name, shape: [count], type: 0, bytes: 4 * count });
  const q4 = (name: string, inputs: number, outputs: number): Tensor => {
    return { name, shape: [inputs, outputs], type: 2, bytes: ((inputs * outputs) / block.values) * block.bytes };
  };
  const layer = (index: number): Tensor[] => {
    const name = (part: string): string => `blk.${index}.${part}.weight`;
    return [
      floats(name('attn_norm'), hidden),
      q4(name('attn_q'), hidden, hidden),
      q4(name('attn_k'), hidden, kvHeads * headDim),
      q4(name('attn_v'), hidden, kvHeads * headDim),
      q4(name('attn_output'), hidden, hidden),
      floats(name('ffn_norm'), hidden),
      q4(name('ffn_gate'), hidden, feedForward),
      q4(name('ffn_up'), hidden, feedForward),
      q4(name('ffn_down'), feedForward, hidden),
    ];
  };
  const ends = [q4('token_embd.weight', hidden, vocab), floats('output_norm.weight', hidden), floats('rope_freqs.weight', headDim / 2)];
  return [...ends, ...Array.from({ length: layers }, (_, index) => layer(index)).flat()];
}

function tensorBytes({ name, shape, type, bytes }: Tensor): Uint8Array {
  const random = new Random(name);
  if (type === 0) return new Uint8Array(new Float32Array(bytes / 4).fill(1).buffer);
  const blocks = pool(name === 'token_embd.weight' ? 0.02 : shape[0]! ** -0.5);
  const out = new Uint8Array(bytes);
  for (let at = 0; at < bytes; ) {
    const first = random.integer(0, poolBlocks - 1) * block.bytes;
    const part = blocks.subarray(first, first + bytes - at);
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const pools = new Map<number, Uint8Array>();

/** Blocks whose values have about the standard deviation `sigma`. */
function pool(sigma: number): Uint8Array {
  const known = pools.get(sigma);
  if (known !== undefined) return known;
  const random = new Random(`Q4_0 ${sigma}`);
  const bytes = new Uint8Array(poolBlocks * block.bytes);
  const view = new DataView(bytes.buffer);
  // Nibbles are even over 0..15, with a standard deviation of 4.6 steps.
  const scales = lab.f16FromF32(random.reals(poolBlocks, (0.9 * sigma) / 4.6, (1.1 * sigma) / 4.6));
  for (let index = 0; index < poolBlocks; index++) {
    const at = index * block.bytes;
    view.setUint16(at, scales[index]!, true);
    for (let word = 0; word < 4; word++) view.setUint32(at + 2 + 4 * word, random.word(), true);
  }
  pools.set(sigma, bytes);
  return bytes;
}

function header(tensors: readonly Tensor[]): Buffer {
  const keys = metadata();
  const parts = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(keys.length), ...keys];
  let offset = 0;
  for (const { name, shape, type, bytes } of tensors) {
    parts.push(string(name), u32(shape.length), ...shape.map(u64), u32(type), u64(offset));
    offset += Math.ceil(bytes / alignment) * alignment;
  }
  return Buffer.concat(parts);
}

function metadata(): Buffer[] {
  const { layers, hidden, feedForward, heads, kvHeads, headDim, vocab, context } = dims;
  const firstControl = vocab - controlTokens;
  const integer = (key: string, value: number): Buffer => Buffer.concat([string(key), u32(4), u32(value)]);
  const float = (key: string, value: number): Buffer => Buffer.concat([string(key), u32(6), f32(value)]);
  const text = (key: string, value: string): Buffer => Buffer.concat([string(key), u32(8), string(value)]);
  const list = (key: string, type: number, values: readonly Buffer[]): Buffer => {
    return Buffer.concat([string(key), u32(9), u32(type), u64(values.length), ...values]);
  };
  return [
    text('general.architecture', 'llama'),
    text('general.name', 'random weights'),
    integer('general.quantization_version', 2),
    integer('general.file_type', 2),
    integer('llama.vocab_size', vocab),
    integer('llama.context_length', context),
    integer('llama.embedding_length', hidden),
    integer('llama.block_count', layers),
    integer('llama.feed_forward_length', feedForward),
    integer('llama.attention.head_count', heads),
    integer('llama.attention.head_count_kv', kvHeads),
    integer('llama.rope.dimension_count', headDim),
    float('llama.rope.freq_base', 500000),
    float('llama.attention.layer_norm_rms_epsilon', 1e-5),
    text('tokenizer.ggml.model', 'gpt2'),
    text('tokenizer.ggml.pre', 'llama-bpe'),
    list('tokenizer.ggml.tokens', 8, tokenTexts().map(string)),
    // 1 = a piece of text, 3 = a control token.
    list('tokenizer.ggml.token_type', 5, tokenTexts().map((_, id) => u32(id < firstControl ? 1 : 3))),
    list('tokenizer.ggml.merges', 8, [string('a b')]),
    integer('tokenizer.ggml.bos_token_id', firstControl),
    integer('tokenizer.ggml.eos_token_id', firstControl + 1),
  ];
}

/** Names that a loader expects of control tokens, so that it takes the second for an end. */
const controlNames = ['<|begin_of_text|>', '<|eot_id|>'] as const;

/** 256 letters for the 256 bytes, as byte-level vocabularies have them, then fillers, then control tokens. */
function tokenTexts(): string[] {
  const isPrintable = (byte: number): boolean => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  let unprintable = 0;
  const letters = Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isPrintable(byte) ? byte : 256 + unprintable++));
  const fillers = Array.from({ length: dims.vocab - controlTokens - 256 }, (_, index) => `filler${index}`);
  const controls = Array.from({ length: controlTokens }, (_, index) => controlNames[index] ?? `<|control_${index}|>`);
  return [...letters, ...fillers, ...controls];
}

function padded(bytes: Uint8Array): Uint8Array {
  const rest = bytes.length % alignment;
  return rest === 0 ? bytes : Buffer.concat([bytes, new Uint8Array(alignment - rest)]);
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([u64(bytes.length), bytes]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}
