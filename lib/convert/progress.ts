// SPDX-License-Identifier: Apache-2.0
// How far a long piece of work is, for those who watch it, and the place where they can stop it.

/** How far a conversion or synthesis is. */
export interface ConvertProgress {
  /** Bytes of the source read for its checksums, and bytes of the result written. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** The tensor or file at work. */
  readonly item: string;
}

/** Options that watch and stop. */
export interface ProgressOptions {
  readonly onProgress?: (progress: ConvertProgress) => void;
  /** Stops the work; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Counts bytes towards a total. */
export class ProgressCounter {
  private bytesDone = 0;

  constructor(
    private readonly bytesTotal: number,
    private readonly options: ProgressOptions,
  ) {}

  /** @throws the signal's reason, once it is aborted */
  advance(item: string, bytes: number): void {
    this.options.signal?.throwIfAborted();
    this.bytesDone += bytes;
    this.options.onProgress?.({ bytesDone: this.bytesDone, bytesTotal: this.bytesTotal, item });
  }

  /** Counts what is left, such as padding. */
  complete(item: string): void {
    this.advance(item, this.bytesTotal - this.bytesDone);
  }
}
