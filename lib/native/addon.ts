// SPDX-License-Identifier: Apache-2.0
// Every type that crosses the boundary between TypeScript and the native addon, in one file.
// Arguments are validated and defaulted on this side; the addon re-checks what could crash.

/** Tensor element types of the container. */
export type DType = 'U8' | 'U32' | 'I16' | 'F16' | 'BF16' | 'F32';

/** Where a tensor lies in its file; `begin` and `end` are absolute byte offsets. */
export interface TensorView {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface ModelDims {
  readonly layers: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly vocabSize: number;
  readonly contextLength: number;
  /** Rows of the head, before padding. */
  readonly labels: number;
}

export interface ModelSpec {
  /** Path of model.safetensors. */
  readonly path: string;
  readonly dims: ModelDims;
  readonly rmsNormEps: number;
  readonly group: number;
  readonly embeddingGroup: number;
  readonly tensors: readonly TensorView[];
}

export interface EngineOptions {
  /** Threads that compute, the calling worker included; 0 = the machine's default. */
  readonly threads: number;
  /** Instruction set to force; '' = the best that this CPU has. */
  readonly isa: string;
}

/** One sequence's share of a forward pass. */
export interface BatchItem {
  readonly sequence: NativeSequence;
  /** Token ids to append; at least one. */
  readonly tokens: Uint32Array;
  /** How many of the last tokens want label logits: 0..tokens.length. */
  readonly logits: number;
}

/** Keys and values of one conversation. Not usable while a forward pass that names it runs. */
export interface NativeSequence {
  /** Tokens held. */
  readonly length: number;
  /** Bytes of KV memory that only this sequence owns; what is mapped from a file counts nothing. */
  readonly kvBytes: number;
  /** A new sequence that shares the first `length` tokens (whole blocks are shared, the rest is copied). */
  fork(length: number): NativeSequence;
  /**
   * Keys and values of all tokens, [segments of `kvSegmentTokens` tokens][bytes of a segment]; slots of the last segment
   * that hold no token are zero. The same bytes on every CPU for the same tokens.
   */
  exportKv(): Uint8Array;
  /** Forget all tokens after the first `length`. */
  truncate(length: number): void;
  /** Idempotent. */
  dispose(): void;
}

export interface NativeModel {
  readonly isa: string;
  readonly threads: number;
  readonly labels: number;
  /** Bytes of the mapped weight file. */
  readonly weightBytes: number;
  /** KV bytes that one token costs. */
  readonly kvBytesPerToken: number;
  /** Tokens of one KV segment, which takes kvSegmentTokens * kvBytesPerToken bytes. */
  readonly kvSegmentTokens: number;
  /** XXH64 of every tensor but the packed nibbles, as it was mapped; their order depends on the dimensions alone. */
  readonly checksums: BigUint64Array;
  /**
   * Has the system enter the weights of the layers into the page table of this process, so that the first pass need not
   * wait for that; for 100 ms at most. Of use where the file is in the page cache, harmless elsewhere.
   */
  populate(): Promise<void>;
  createSequence(): NativeSequence;
  /**
   * A sequence of `length` tokens (1..contextLength) whose keys and values lie in a file from byte `offset` on, a multiple
   * of 64, as exportKv() of this model gave them. They are mapped read-only and shared with whoever else maps the file; the
   * sequence copies a segment before it appends to it. The bytes are trusted: check them first. While a sequence uses the
   * file, it may be replaced by renaming and deleted, but must not be written or shortened in place.
   * Errors: MODEL_NOT_FOUND, UNREADABLE (also where the file is empty), TRUNCATED, OUT_OF_MEMORY, INVALID_ARGUMENT.
   */
  mapSequence(path: string, offset: number, length: number): NativeSequence;
  /**
   * Appends tokens to their sequences and returns label logits, [sum of `logits`][labels], in batch order.
   * One pass at a time per model; a second call while one runs is rejected. On rejection every sequence is as before.
   */
  forward(batch: readonly BatchItem[]): Promise<Float32Array>;
  /**
   * Asks the pass that runs to stop, one that waits for a thread of Node's pool included: its promise rejects with
   * ERR_LLAMA_GUARD_ABORTED at the latest when the layer that it is in has ended, and every sequence is as before.
   * A pass that is past its last layer still resolves. Does nothing when no pass runs, and after dispose().
   */
  cancel(): void;
  /** Idempotent; the mapping goes when the last pass and the last sequence are gone. */
  dispose(): void;
}

export interface IsaInfo {
  readonly name: string;
  /** This CPU can run it. */
  readonly supported: boolean;
}

/** CPUs, and the threads that compute where no number is given. */
export interface Topology {
  /** CPUs that this process may use, by its affinity mask. */
  readonly usableCpus: readonly number[];
  /** Those of them that are not much slower than the fastest. */
  readonly bigCpus: readonly number[];
  /** CPUs that the quotas of this process's control groups allow, rounded up; 0 = no quota. */
  readonly cpuQuota: number;
  readonly defaultThreads: number;
  /** CPUs that the default threads keep to; empty = any that this process may use. */
  readonly pinnedCpus: readonly number[];
}

/** How one kernel of this binary fared against the scalar one of its family; `unsupported`: not run, this CPU lacks it. */
export interface SelfTestLine {
  readonly family: string;
  readonly kernel: string;
  readonly isa: string;
  readonly health: 'equal' | 'differs' | 'unsupported';
}

export interface NativeAddon {
  /** Instruction sets that this binary holds kernels for, narrowest first. */
  isas(): readonly IsaInfo[];
  topology(): Topology;
  /** Every kernel of this binary that this CPU can run against the scalar one, on made-up operands, bit for bit. */
  selfTest(): Promise<readonly SelfTestLine[]>;
  /**
   * Bytes per second at which `threads` (1..256) together read `bytes` (1..2^32) of memory, at best; for a second or so.
   * Errors: OUT_OF_MEMORY.
   */
  readBandwidth(threads: number, bytes: number): Promise<number>;
  loadModel(spec: ModelSpec, options: EngineOptions): Promise<NativeModel>;
  /** Softmax by the project's own polynomial: the same bits on every CPU. */
  softmax(logits: Float32Array): Float32Array;
  /**
   * Rounds float rows to INT4 groups (docs/packing-format.md). `rows` holds n*k elements of `dtype`, little endian.
   * `values` is [n][k/2], low nibble = even column, value + 8; `scales` is [n][k/group], raw f32 (group >= 128) or f16.
   * Throws ERR_LLAMA_GUARD_NON_FINITE with the row and column of a value that is not finite.
   */
  quantizeRows(rows: Uint8Array, dtype: 'F32' | 'F16' | 'BF16', n: number, k: number, group: number): {
    values: Uint8Array;
    scales: Uint8Array;
  };
  /**
   * Packs quantized rows (as `quantizeRows` gives them) into panel16; n is padded to a multiple of 16.
   * `q4` is [n/16][k/8][64], `scales` raw [n/16][k/group][16], `sums` raw i16 [n/16][k/group][16].
   */
  packPanels(values: Uint8Array, scales: Uint8Array, n: number, k: number, group: number): {
    q4: Uint8Array;
    scales: Uint8Array;
    sums: Uint8Array;
  };
}
