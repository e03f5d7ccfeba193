// SPDX-License-Identifier: Apache-2.0
// A NativeAddon without arithmetic: it records every pass and answers with logits that a test chooses. What it checks
// (busy, disposed, lengths) is what the real one promises in lib/native/addon.ts.

import { existsSync, readFileSync } from 'node:fs';

import { type ErrorCode, LlamaGuardError } from '../../lib/errors/index.js';
import type {
  BatchItem, EngineOptions, ModelSpec, NativeAddon, NativeModel, NativeSequence, SelfTestLine, Topology,
} from '../../lib/native/addon.js';

const segmentTokens = 64;
const kvBytesPerToken = 10;

function exportedBytes(length: number): number {
  return Math.ceil(length / segmentTokens) * segmentTokens * kvBytesPerToken;
}

export interface FakePass {
  /** Tokens that the sequence held before the pass. */
  readonly before: readonly number[];
  readonly tokens: readonly number[];
  readonly logits: number;
}

export interface FakeAddonOptions {
  /** Label logits after these tokens of a sequence. Default: all zero but a hash of the tokens. */
  readonly logitsAfter?: (tokens: readonly number[]) => Float32Array;
  /** Called at the start of each pass; a rejection fails the pass. */
  readonly beforePass?: (pass: FakePass) => Promise<void> | void;
}

export class FakeAddon implements NativeAddon {
  /** One for every item of every pass. */
  readonly passes: FakePass[] = [];
  /** Tokens of each pass. */
  readonly batches: number[] = [];
  readonly engines: EngineOptions[] = [];
  readonly options: FakeAddonOptions;
  liveSequences = 0;
  running = 0;
  cancelled = false;
  disposedModels = 0;

  constructor(options: FakeAddonOptions = {}) {
    this.options = options;
  }

  isas() {
    return [
      { name: 'scalar', supported: true },
      { name: 'amx', supported: false },
    ];
  }

  topology(): Topology {
    return { usableCpus: [0, 1], bigCpus: [0, 1], cpuQuota: 0, defaultThreads: 2, pinnedCpus: [] };
  }

  selfTest(): Promise<SelfTestLine[]> {
    return Promise.resolve([{ family: 'softmax', kernel: 'softmax_1x16_scalar', isa: 'scalar', health: 'equal' }]);
  }

  readBandwidth(): Promise<number> {
    return Promise.resolve(1e10);
  }

  loadModel(spec: ModelSpec, options: EngineOptions): Promise<NativeModel> {
    this.engines.push(options);
    return Promise.resolve(new FakeModel(this, spec, options));
  }

  softmax(logits: Float32Array): Float32Array {
    const largest = Math.max(...logits);
    const powers = Array.from(logits, (logit) => Math.exp(logit - largest));
    const sum = powers.reduce((total, power) => total + power, 0);
    return Float32Array.from(powers, (power) => power / sum);
  }

  quantizeRows(): never {
    throw new Error('the fake addon does not quantize');
  }

  packPanels(): never {
    throw new Error('the fake addon does not pack');
  }
}

class FakeModel implements NativeModel {
  readonly isa: string;
  readonly threads: number;
  readonly labels: number;
  readonly weightBytes = 1000;
  readonly kvBytesPerToken = kvBytesPerToken;
  readonly kvSegmentTokens = segmentTokens;
  readonly checksums = BigUint64Array.of(1n, 2n, 3n);
  #disposed = false;
  readonly #addon: FakeAddon;

  constructor(addon: FakeAddon, spec: ModelSpec, options: EngineOptions) {
    this.#addon = addon;
    this.isa = options.isa || 'scalar';
    this.threads = options.threads || 2;
    this.labels = spec.dims.labels;
  }

  populate(): Promise<void> {
    return Promise.resolve();
  }

  createSequence(): NativeSequence {
    if (this.#disposed) throw nativeError('ERR_LLAMA_GUARD_DISPOSED');
    return new FakeSequence(this.#addon, []);
  }

  mapSequence(path: string, offset: number, length: number): NativeSequence {
    if (this.#disposed) throw nativeError('ERR_LLAMA_GUARD_DISPOSED');
    if (offset % 64 !== 0 || length < 1) throw nativeError('ERR_LLAMA_GUARD_INVALID_ARGUMENT');
    if (!existsSync(path)) throw nativeError('ERR_LLAMA_GUARD_MODEL_NOT_FOUND');
    const bytes = readFileSync(path).subarray(offset, offset + exportedBytes(length));
    if (bytes.length < exportedBytes(length)) throw nativeError('ERR_LLAMA_GUARD_TRUNCATED');
    return new FakeSequence(this.#addon, Array.from({ length }, (_, i) => bytes.readUInt32LE(i * 4)));
  }

  async forward(batch: readonly BatchItem[]): Promise<Float32Array> {
    if (this.#disposed) throw nativeError('ERR_LLAMA_GUARD_DISPOSED');
    if (this.#addon.running > 0) throw nativeError('ERR_LLAMA_GUARD_BUSY');
    this.#addon.running++;
    this.#addon.batches.push(batch.reduce((tokens, item) => tokens + item.tokens.length, 0));
    this.#addon.cancelled = false;
    const sequences = batch.map((item) => item.sequence as FakeSequence);
    for (const sequence of sequences) sequence.busy = true;
    try {
      for (const item of batch) await this.#begin(item);
      return Float32Array.from(batch.flatMap((item) => this.#append(item)));
    } finally {
      for (const sequence of sequences) sequence.busy = false;
      this.#addon.running--;
    }
  }

  cancel(): void {
    this.#addon.cancelled = true;
  }

  dispose(): void {
    if (!this.#disposed) this.#addon.disposedModels++;
    this.#disposed = true;
  }

  /** What may fail: afterwards every sequence is as before. */
  async #begin({ sequence, tokens, logits }: BatchItem): Promise<void> {
    const pass: FakePass = { before: [...(sequence as FakeSequence).tokens], tokens: [...tokens], logits };
    this.#addon.passes.push(pass);
    await new Promise((resolve) => setImmediate(resolve));
    await this.#addon.options.beforePass?.(pass);
    if (this.#addon.cancelled) throw nativeError('ERR_LLAMA_GUARD_ABORTED');
  }

  #append({ sequence, tokens, logits }: BatchItem): number[] {
    const held = (sequence as FakeSequence).tokens;
    held.push(...tokens);
    const logitsAfter = this.#addon.options.logitsAfter ?? ((all) => hashLogits(all, this.labels));
    const rows: number[] = [];
    for (let back = logits - 1; back >= 0; back--) rows.push(...logitsAfter(held.slice(0, held.length - back)));
    return rows;
  }
}

class FakeSequence implements NativeSequence {
  readonly tokens: number[];
  /** A pass uses it. */
  busy = false;
  readonly #addon: FakeAddon;
  #disposed = false;

  constructor(addon: FakeAddon, tokens: number[]) {
    this.#addon = addon;
    this.tokens = tokens;
    addon.liveSequences++;
  }

  get length(): number {
    return this.tokens.length;
  }

  get kvBytes(): number {
    return this.tokens.length * kvBytesPerToken;
  }

  fork(length: number): NativeSequence {
    this.#check(length);
    return new FakeSequence(this.#addon, this.tokens.slice(0, length));
  }

  /** The token ids, four bytes each, where the real one puts keys and values. */
  exportKv(): Uint8Array {
    this.#check(0);
    const bytes = Buffer.alloc(exportedBytes(this.tokens.length));
    this.tokens.forEach((token, i) => bytes.writeUInt32LE(token, i * 4));
    return bytes;
  }

  truncate(length: number): void {
    this.#check(length);
    this.tokens.length = length;
  }

  dispose(): void {
    if (!this.#disposed) this.#addon.liveSequences--;
    this.#disposed = true;
  }

  #check(length: number): void {
    if (this.#disposed) throw nativeError('ERR_LLAMA_GUARD_DISPOSED');
    if (this.busy) throw nativeError('ERR_LLAMA_GUARD_BUSY');
    if (length > this.tokens.length) throw nativeError('ERR_LLAMA_GUARD_INVALID_ARGUMENT');
  }
}

/** Different tokens give different logits (FNV-1a over the ids, one offset per row). */
export function hashLogits(tokens: readonly number[], labels: number): Float32Array {
  let hash = 0x811c9dc5;
  for (const token of tokens) hash = Math.imul(hash ^ token, 0x01000193) >>> 0;
  return Float32Array.from({ length: labels }, (_, row) => ((Math.imul(hash ^ row, 0x01000193) >>> 0) % 1000) / 100);
}

function nativeError(code: ErrorCode): Error {
  return new LlamaGuardError(code, 'fake addon');
}
