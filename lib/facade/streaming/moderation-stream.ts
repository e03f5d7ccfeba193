// SPDX-License-Identifier: Apache-2.0
// A guarded stream as Web streams see it (a readable and writable pair for pipeThrough) and as Node's streams do.

import { Duplex } from 'node:stream';
import { ReadableStream, type ReadableStreamDefaultController, WritableStream } from 'node:stream/web';

import { StreamGate } from './stream-gate.js';
import type { StreamCheck, StreamSettings } from './stream-options.js';

/** What a stream needs of a guard. */
export interface StreamSession {
  /** Judges the answer so far. */
  check(answer: string): Promise<StreamCheck['result']>;
  countTokens(text: string): number;
  /** Gives keys and values back. Idempotent. */
  close(): void;
}

/** How a stream ended. */
export interface StreamReport {
  /** Whether the last check found the answer unsafe. */
  readonly flagged: boolean;
  /** The last check, which covers the whole answer unless a violation ended the stream; undefined for an empty answer. */
  readonly lastCheck?: StreamCheck;
  /** Checks that were made. */
  readonly checks: number;
}

/**
 * Text goes in, text that may leave comes out. Chunks are strings, or UTF-8 bytes; what comes out are strings.
 *
 * @example
 * const guarded = answer.pipeThrough(guard.stream({ messages }));
 * for await (const text of guarded) send(text);
 */
export class ModerationStream {
  readonly readable: ReadableStream<string>;
  readonly writable: WritableStream<string | Uint8Array>;
  /** Settles when the stream is over; rejects when it failed or was cancelled. Nobody has to listen. */
  readonly report: Promise<StreamReport>;
  readonly #session: StreamSession;
  readonly #gate: StreamGate;
  readonly #decoder = new TextDecoder();
  #controller!: ReadableStreamDefaultController<string>;
  #settle!: { readonly resolve: (report: StreamReport) => void; readonly reject: (error: unknown) => void };
  #ended = false;
  #closing = false;
  #checks = 0;
  #onPull: (() => void) | undefined;
  #failWritable: ((error: unknown) => void) | undefined;

  constructor(session: StreamSession, settings: StreamSettings) {
    this.#session = session;
    this.report = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    this.report.catch(() => undefined);
    this.#gate = new StreamGate({
      settings,
      check: (answer) => {
        this.#checks++;
        return session.check(answer);
      },
      countTokens: (text) => session.countTokens(text),
      outlet: {
        emit: (text) => this.#controller.enqueue(text),
        end: (failure) => this.#end(failure),
        cut: () => this.#cut(),
        fail: (error) => this.fail(error),
      },
    });
    this.readable = new ReadableStream<string>({
      start: (controller) => void (this.#controller = controller),
      pull: () => this.#onPull?.(),
      cancel: (reason) => this.fail(reason),
    });
    this.writable = new WritableStream<string | Uint8Array>({
      start: (controller) => {
        this.#failWritable = (error) => controller.error(error);
        // The sink's own abort() comes after the write that runs, which may wait for a reader. (Not in Node's types.)
        const { signal } = controller as unknown as { readonly signal: AbortSignal };
        signal.addEventListener('abort', () => {
          // The writable is failing by itself; Node does not bear being told so meanwhile.
          this.#failWritable = undefined;
          this.fail(signal.reason);
        });
      },
      write: async (chunk) => {
        await this.#gate.write(typeof chunk === 'string' ? chunk : this.#decoder.decode(chunk, { stream: true }));
        await this.#room();
      },
      close: async () => {
        this.#closing = true;
        await this.#gate.write(this.#decoder.decode());
        await this.#gate.finish();
      },
    });
  }

  /** The same as one of Node's streams. Use either this or the pair. */
  toNode(): Duplex {
    return Duplex.fromWeb({ readable: this.readable, writable: this.writable }, { encoding: 'utf8', decodeStrings: false });
  }

  /** Ends the stream with an error at both sides. Idempotent. */
  fail(error: unknown): void {
    if (!this.#close()) return;
    this.#settle.reject(error);
    this.#controller.error(error);
    this.#failWritable?.(error);
  }

  #end(failure?: unknown): void {
    if (!this.#close()) return;
    if (failure === undefined) this.#settle.resolve(this.#report());
    else this.#settle.reject(failure);
    this.#controller.close();
  }

  /** After a violation the source need not go on. */
  #cut(): void {
    if (!this.#close()) return;
    this.#settle.resolve(this.#report());
    this.#controller.close();
    if (!this.#closing) this.#failWritable?.(new Error('The guarded stream has ended'));
  }

  #report(): StreamReport {
    const { lastCheck } = this.#gate;
    const flagged = lastCheck?.result.flagged ?? false;
    return { flagged, checks: this.#checks, ...(lastCheck ? { lastCheck } : {}) };
  }

  /** Whether this was the first end. */
  #close(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#gate.stop();
    this.#session.close();
    this.#onPull?.();
    return true;
  }

  /** Backpressure: waits until the reader has room. */
  async #room(): Promise<void> {
    while (!this.#ended && (this.#controller.desiredSize ?? 1) <= 0) {
      await new Promise<void>((resolve) => (this.#onPull = resolve));
    }
  }
}
