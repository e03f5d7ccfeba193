// SPDX-License-Identifier: Apache-2.0
// Decides when text of a growing answer is checked and when it may leave. Knows no stream: text goes in through write()
// and comes out through the outlet.

import { LlamaGuardError } from '../../errors/index.js';
import { trimText } from '../../prompt/conversation.js';
import type { StreamCheck, StreamSettings } from './stream-options.js';

/** Where text goes. */
export interface Outlet {
  emit(text: string): void;
  /** The answer is complete and out; `failure` is why an audit could not go on. */
  end(failure?: unknown): void;
  /** A check found the answer unsafe: no more text comes. */
  cut(): void;
  /** The stream fails. */
  fail(error: unknown): void;
}

export interface GateParts {
  readonly settings: Pick<StreamSettings, 'mode' | 'checkEvery' | 'holdBack' | 'onViolation' | 'replacement' | 'onCheck'>;
  /** Judges the answer so far. One at a time. */
  readonly check: (answer: string) => Promise<StreamCheck['result']>;
  readonly countTokens: (text: string) => number;
  readonly outlet: Outlet;
}

/** Text that has come and not left, as it came. */
interface Piece {
  readonly length: number;
  readonly tokens: number;
}

export class StreamGate {
  readonly #parts: GateParts;
  #answer = '';
  /** A high surrogate at the end of a chunk waits for its other half. */
  #half = '';
  /** UTF-16 units, from the start of the answer: what a check has been begun for, and what has left. */
  #checking = 0;
  #released = 0;
  #held: Piece[] = [];
  #running: Promise<void> | undefined;
  #over = false;
  #last: StreamCheck | undefined;
  #failure: unknown;

  constructor(parts: GateParts) {
    this.#parts = parts;
  }

  /** The last check that has ended. */
  get lastCheck(): StreamCheck | undefined {
    return this.#last;
  }

  /** Takes a chunk; resolves when the next one may come. Rejects when a check failed. */
  async write(chunk: string): Promise<void> {
    if (this.#over) return;
    const text = this.#whole(chunk);
    if (text === '') return;
    this.#answer += text;
    const { settings, countTokens } = this.#parts;
    this.#hold(text);
    if (settings.mode === 'audit') this.#release(this.#answer.length);
    if (settings.mode === 'window') this.#releaseOld();
    if (countTokens(this.#answer.slice(this.#checking)) < settings.checkEvery) return;
    await this.#running;
    this.#begin();
    if (settings.mode === 'buffer') await this.#running;
  }

  /** The answer is complete: checks what is left, lets it out and ends. */
  async finish(): Promise<void> {
    this.#answer += this.#half;
    this.#half = '';
    await this.#running;
    if (this.#checking < this.#answer.length) this.#begin();
    await this.#running;
    if (this.#over) return;
    this.#release(this.#answer.length);
    this.#over = true;
    this.#parts.outlet.end(this.#failure);
  }

  /** Nothing more leaves. Idempotent. */
  stop(): void {
    this.#over = true;
  }

  #whole(chunk: string): string {
    const text = this.#half + chunk;
    const last = text.charCodeAt(text.length - 1);
    this.#half = last >= 0xd800 && last <= 0xdbff ? text.slice(-1) : '';
    return this.#half === '' ? text : text.slice(0, -1);
  }

  #hold(text: string): void {
    if (this.#parts.settings.mode !== 'window') return;
    this.#held.push({ length: text.length, tokens: this.#parts.countTokens(text) });
  }

  /** Lets out the pieces that have `holdBack` tokens after them. */
  #releaseOld(): void {
    const { holdBack } = this.#parts.settings;
    let after = this.#held.reduce((sum, piece) => sum + piece.tokens, 0);
    let end = this.#released;
    while (this.#held.length > 0) {
      after -= this.#held[0]?.tokens ?? 0;
      if (after < holdBack) break;
      end += this.#held.shift()?.length ?? 0;
    }
    this.#release(end);
  }

  /** Begins to check the answer so far; where the prompt would hold no text, there is nothing to check. */
  #begin(): void {
    const answer = this.#answer;
    if (this.#over || this.#failure !== undefined || trimText(answer) === '') return;
    this.#checking = answer.length;
    const running = this.#check(answer).finally(() => (this.#running = undefined));
    // Whoever waits next sees the failure; without this it would be an unhandled rejection until then.
    running.catch(() => undefined);
    this.#running = running;
  }

  async #check(answer: string): Promise<void> {
    const { settings, check, outlet } = this.#parts;
    try {
      const report = { result: await check(answer), length: answer.length };
      if (this.#over) return;
      this.#last = report;
      settings.onCheck?.(report);
      if (report.result.flagged && settings.mode !== 'audit') this.#violation(report);
      else if (settings.mode === 'buffer') this.#release(answer.length);
    } catch (error) {
      if (this.#over) return;
      if (settings.mode === 'audit') {
        // An audit stands in nobody's way: the text goes on, and the report says what went wrong.
        this.#failure = error;
        return;
      }
      this.#over = true;
      outlet.fail(error);
      throw error;
    }
  }

  #violation(report: StreamCheck): void {
    const { settings, outlet } = this.#parts;
    this.#over = true;
    if (settings.onViolation === 'error') {
      const message = `The answer was found unsafe within its first ${report.length} characters`;
      outlet.fail(new LlamaGuardError('ERR_LLAMA_GUARD_UNSAFE', message, { cause: report }));
      return;
    }
    if (settings.onViolation === 'replace') outlet.emit(settings.replacement);
    outlet.cut();
  }

  #release(end: number): void {
    if (this.#over || end <= this.#released) return;
    const text = this.#answer.slice(this.#released, end);
    this.#released = end;
    this.#parts.outlet.emit(text);
  }
}
