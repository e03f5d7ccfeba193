// SPDX-License-Identifier: Apache-2.0
// The checks of one stream: calls of the guard over one growing prompt, ended by the stream's signal.

import { CallControl } from '../../scheduling/call-control.js';
import type { Calls } from '../calls.js';
import { GrowingPrompt } from '../growing-prompt.js';
import type { ModerationResult } from '../result.js';
import type { StreamSession } from './moderation-stream.js';
import type { StreamSettings } from './stream-options.js';

export class CheckSession implements StreamSession {
  readonly #calls: Calls;
  readonly #settings: StreamSettings;
  readonly #growing: GrowingPrompt;
  readonly #control: CallControl;

  constructor(calls: Calls, settings: StreamSettings) {
    this.#calls = calls;
    this.#settings = settings;
    this.#growing = new GrowingPrompt(calls.judge);
    const { signal } = settings.call;
    this.#control = new CallControl(signal ? { signal } : {});
  }

  /** Fires when the caller's signal does, and at close(). */
  get signal(): AbortSignal {
    return this.#control.signal;
  }

  check(answer: string): Promise<ModerationResult> {
    const { messages, call } = this.#settings;
    const conversation = [...messages, { role: 'assistant' as const, content: answer }];
    return this.#calls.moderate(conversation, { ...call, signal: this.signal }, { bulk: true, growing: this.#growing });
  }

  countTokens(text: string): number {
    return this.#calls.judge.countTokens(text);
  }

  close(): void {
    this.#control.stop();
    this.#control.end();
    this.#growing.close();
  }
}
