// SPDX-License-Identifier: Apache-2.0
// The tokenizer: text to ids and back. Split by the pattern, look the piece up as a whole, merge what is not found.

import { LlamaGuardError } from '../errors/index.js';
import { LongMerger } from './long-merge.js';
import { type PreparedTokenizer, type TensorData, readTables, writeTables } from './prepared.js';
import { ShortMerger, shortPieceBytes } from './short-merge.js';
import { pieceEnd } from './split.js';
import type { TokenizerTables } from './tables.js';

/**
 * The longest text that is encoded, in UTF-16 code units: more than the longest context, 131,072 tokens, can hold, as no
 * token of Llama 3 is longer than 128 bytes.
 */
const maxTextLength = 2 ** 24;

/** Scratch memory for texts up to this many UTF-8 bytes is kept between calls. */
const keptTextBytes = 65_536;

/** A code unit becomes at most three bytes (a pair of surrogates four). */
const maxBytesPerUnit = 3;

/** Options of {@link Tokenizer.fromTiktoken}. */
export interface TiktokenOptions {
  /** Names of the control tokens, whose ids follow the ranks. Default: the 256 of Llama 3.1 and later. */
  readonly controlTokens?: readonly string[];
}

/** Llama 3's byte-level BPE. Owns its tables and scratch memory; calls are synchronous and may follow in any order. */
export class Tokenizer {
  /** Ids are below this number. */
  readonly vocabSize: number;
  /** UTF-8 bytes of the longest token: a text of n bytes has at least n / maxTokenBytes tokens. */
  readonly maxTokenBytes: number;
  /** Ids of the control tokens by name. */
  readonly controlTokens: ReadonlyMap<string, number>;
  private readonly shortMerger: ShortMerger;
  private readonly longMerger: LongMerger;
  private readonly utf8Encoder = new TextEncoder();
  /** Keeps a leading U+FEFF, and writes U+FFFD for bytes that are no UTF-8. */
  private readonly utf8Decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  private textBytes = new Uint8Array(keptTextBytes);
  private ids = new Uint32Array(keptTextBytes);

  private constructor(private readonly tables: TokenizerTables) {
    const { vocabulary, merges, controlIds } = tables;
    const byteIds = vocabulary.byteIds();
    this.vocabSize = vocabulary.size;
    this.maxTokenBytes = vocabulary.maxTokenBytes;
    this.shortMerger = new ShortMerger(merges, byteIds);
    this.longMerger = new LongMerger(merges, byteIds);
    this.controlTokens = new Map(Array.from(controlIds, (id) => [this.utf8Decoder.decode(vocabulary.bytesOf(id)), id]));
  }

  /**
   * A tokenizer from the text of Hugging Face's tokenizer.json.
   * @throws {ERR_LLAMA_GUARD_BAD_TOKENIZER} it is damaged, or not a byte-level BPE with Llama 3's split pattern; says which
   */
  static fromTokenizerJson(json: string): Tokenizer {
    return new Tokenizer(sources().tablesOfTokenizerJson(json));
  }

  /**
   * A tokenizer from the text of Meta's tokenizer.model (lines of base64 and rank).
   * @throws {ERR_LLAMA_GUARD_BAD_TOKENIZER} a line is malformed, ranks are not 0, 1, 2, ..., or a single byte is no token
   */
  static fromTiktoken(text: string, options: TiktokenOptions = {}): Tokenizer {
    return new Tokenizer(sources().tablesOfTiktoken(text, options.controlTokens));
  }

  /**
   * A tokenizer from its prepared form. Uses the given bytes in place where they are aligned; they must not change.
   * @throws {ERR_LLAMA_GUARD_BAD_TOKENIZER} a tensor is missing, of the wrong type or shape, or damaged
   */
  static fromTensors(prepared: { readonly tensors: ReadonlyMap<string, TensorData> }): Tokenizer {
    return new Tokenizer(readTables(prepared.tensors));
  }

  /** The prepared form (docs/tokenizer.md). Its tensors are views of this tokenizer's tables: do not write to them. */
  toTensors(): PreparedTokenizer {
    return writeTables(this.tables);
  }

  /**
   * The ids of a text, without any control token: one that is written in the text is text like any other.
   * @param text lone surrogates are taken as U+FFFD
   * @throws {ERR_LLAMA_GUARD_CONTEXT_OVERFLOW} the text has more than 2^24 UTF-16 code units
   */
  encode(text: string): Uint32Array {
    const end = this.loadText(text);
    const { textBytes: bytes, ids } = this;
    let count = 0;
    for (let begin = 0; begin < end; ) {
      const next = pieceEnd(bytes, begin, end);
      count = this.encodePiece(begin, next, count);
      begin = next;
    }
    const result = ids.slice(0, count);
    if (ids.length > keptTextBytes) this.allocate(keptTextBytes);
    return result;
  }

  /** The id of a control token such as `<|eot_id|>`. */
  controlToken(name: string): number | undefined {
    return this.controlTokens.get(name);
  }

  /** The id of the one ordinary token that is exactly this text. */
  tokenId(text: string): number | undefined {
    const bytes = this.utf8Encoder.encode(text);
    const id = bytes.length > this.maxTokenBytes ? -1 : this.tables.vocabulary.find(bytes, 0, bytes.length);
    return id < 0 ? undefined : id;
  }

  /**
   * The text of ids; control tokens as their names, bytes that are no UTF-8 as U+FFFD.
   * @throws {ERR_LLAMA_GUARD_INVALID_ARGUMENT} an id is not an integer in 0..vocabSize - 1
   */
  decode(ids: ArrayLike<number>): string {
    const tokens = Array.from(ids, (id) => this.bytesOf(id));
    const bytes = new Uint8Array(tokens.reduce((length, token) => length + token.length, 0));
    let at = 0;
    for (const token of tokens) {
      bytes.set(token, at);
      at += token.length;
    }
    return this.utf8Decoder.decode(bytes);
  }

  /**
   * Where the tokens of a text lie in it: for each of `ids` the UTF-16 offset of the character in which it begins, and
   * the length of the text at the end: [ids.length + 1]. A token may begin within a character; offsets never do.
   * @param ids `encode(text)`
   */
  offsets(text: string, ids: Uint32Array): Uint32Array {
    const offsets = new Uint32Array(ids.length + 1).fill(text.length);
    let unit = 0;
    let charEnd = 0;
    let tokenBegin = 0;
    for (const [index, id] of ids.entries()) {
      // Bytes of the text, counted by its characters up to the one that the token begins in.
      for (;;) {
        const codePoint = text.codePointAt(unit) ?? 0;
        const next = charEnd + utf8Bytes(codePoint);
        if (next > tokenBegin) break;
        charEnd = next;
        unit += codePoint > 0xffff ? 2 : 1;
      }
      offsets[index] = unit;
      tokenBegin += this.bytesOf(id).length;
    }
    return offsets;
  }

  private bytesOf(id: number): Uint8Array {
    if (Number.isInteger(id) && id >= 0 && id < this.vocabSize) return this.tables.vocabulary.bytesOf(id);
    throw new LlamaGuardError('ERR_LLAMA_GUARD_INVALID_ARGUMENT', `A token id must be an integer in 0..${this.vocabSize - 1}, found ${String(id)}`);
  }

  /** Puts the text into scratch memory as UTF-8, with room for as many ids as bytes; returns the number of bytes. */
  private loadText(text: string): number {
    if (text.length > maxTextLength) {
      throw new LlamaGuardError('ERR_LLAMA_GUARD_CONTEXT_OVERFLOW', `The text has ${text.length} UTF-16 code units, at most ${maxTextLength} are encoded`);
    }
    if (text.length * maxBytesPerUnit > this.textBytes.length) this.allocate(text.length * maxBytesPerUnit);
    return this.utf8Encoder.encodeInto(text, this.textBytes).written;
  }

  private allocate(bytes: number): void {
    this.textBytes = new Uint8Array(bytes);
    this.ids = new Uint32Array(bytes);
  }

  /** Appends the ids of a piece of the text; returns how many there are now. */
  private encodePiece(begin: number, end: number, count: number): number {
    const { tables, textBytes, ids } = this;
    const length = end - begin;
    if (tables.ignoreMerges && length <= this.maxTokenBytes) {
      const id = tables.vocabulary.find(textBytes, begin, end);
      if (id >= 0) {
        ids[count] = id;
        return count + 1;
      }
    }
    const merger = length <= shortPieceBytes ? this.shortMerger : this.longMerger;
    return merger.merge(textBytes, begin, end, ids, count);
  }
}

/** Loaded on demand: a converted model has no need of it. */
function sources(): typeof import('./sources.js') {
  return require('./sources.js') as typeof import('./sources.js');
}

/** UTF-8 bytes of a code point; a lone surrogate is written as U+FFFD. */
function utf8Bytes(codePoint: number): number {
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint < 0x10000 ? 3 : 4;
}
