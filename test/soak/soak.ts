// SPDX-License-Identifier: Apache-2.0
// Thousands of calls of every kind, many at a time, while guards come and go. Counts how each ended, and compares every
// verdict with the one that the call gets alone.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';

import { guardOver, type LlamaGuard } from '../../lib/facade/llama-guard.js';
import { openJudge } from '../../lib/facade/open-judge.js';
import { type LoadOptions, loadSettings, modelFolder } from '../../lib/facade/options.js';
import type { ModerateOptions } from '../../lib/index.js';
import { seeded } from '../support/tiny-checkpoint.js';
import { type Outcome, outcomeOf } from '../support/verdict-bits.js';
import { type Act, chooseAct, everyAct } from './acts.js';
import { countedAddon, type SequenceCount } from './counted-addon.js';
import { type Input, inputs } from './inputs.js';

export interface SoakOptions {
  readonly calls: number;
  readonly seed: number;
  readonly threads: number;
  /** Called each time that another `sampleEvery` calls have settled and nothing runs. */
  readonly onQuiet: (settled: number) => void;
  readonly sampleEvery: number;
}

export interface SoakResult {
  /** Calls by how they ended: `verdict`, the code of an error, or `terminated` with their thread. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Verdicts that were compared with those given alone. */
  readonly compared: number;
  /** What should not have happened; empty if all is well. */
  readonly faults: readonly string[];
  readonly sequences: SequenceCount;
}

/** Acts that may be on at once: about as many calls as fill a pass several times. */
const maxActs = 24;
const limits: LoadOptions = { maxQueue: 24, policyCacheEntries: 3 };

export class Soak {
  readonly random: () => number;
  readonly inputs: readonly Input[];
  /** Where all guards, those of worker threads too, keep policies. */
  readonly snapshots = mkdtempSync(path.join(tmpdir(), 'llama-guard-soak-'));
  readonly #options: SoakOptions;
  readonly #sequences: SequenceCount = { live: 0, made: 0 };
  readonly #addon = countedAddon(this.#sequences);
  readonly #outcomes = new Map<string, number>();
  readonly #known = new Map<string, Promise<Outcome>>();
  readonly #faults: string[] = [];
  readonly #acts = new Set<Promise<void>>();
  readonly #disposals = new Set<Promise<void>>();
  #guard!: LlamaGuard;
  #alone!: LlamaGuard;
  #begun = 0;
  #compared = 0;

  constructor(options: SoakOptions) {
    this.#options = options;
    this.random = seeded(options.seed);
    this.inputs = inputs(30, options.seed);
  }

  /** The guard of the moment; an act that waits may find that it was disposed. */
  get guard(): LlamaGuard {
    return this.#guard;
  }

  async run(): Promise<SoakResult> {
    this.#guard = await this.#load(limits);
    this.#alone = await this.#load({ threads: 1, cache: false });
    for (const act of everyAct) this.#start(act);
    let nextQuiet = 0;
    while (this.#begun < this.#options.calls) {
      if (this.#begun >= nextQuiet) {
        await this.#quiet();
        nextQuiet = this.#begun + this.#options.sampleEvery;
      }
      while (this.#acts.size >= maxActs) await Promise.race(this.#acts);
      this.#start(chooseAct(this.random()));
    }
    await this.#quiet();
    await Promise.all([this.#guard.dispose(), this.#alone.dispose()]);
    rmSync(this.snapshots, { recursive: true });
    const outcomes = Object.fromEntries([...this.#outcomes].sort());
    return { outcomes, compared: this.#compared, faults: this.#faults, sequences: this.#sequences };
  }

  /** A whole number below `end`. */
  below(end: number): number {
    return Math.floor(this.random() * end);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  /** Makes a call of the guard and checks its end: a verdict, a refusal of a busy or disposed guard, or one of `codes`. */
  async call({ messages, options }: Input, extra: ModerateOptions = {}, codes: readonly string[] = []): Promise<void> {
    this.#begun++;
    const found = await outcomeOf(this.guard.moderate(messages, { ...options, ...extra }));
    await this.check({ messages, options }, found, ['ERR_LLAMA_GUARD_OVERLOADED', 'ERR_LLAMA_GUARD_DISPOSED', ...codes]);
  }

  /** Counts an outcome; one that is none of `codes` must be what the call gives alone. */
  async check(input: Input, found: Outcome, codes: readonly string[]): Promise<void> {
    this.count(typeof found === 'string' ? found : 'verdict');
    if (typeof found === 'string' && codes.includes(found)) return;
    this.#compared++;
    const wanted = await this.#judgeAlone(input);
    if (!isDeepStrictEqual(found, wanted)) this.fault(`${JSON.stringify(input)}: ${JSON.stringify(found)}, alone ${JSON.stringify(wanted)}`);
  }

  /** A call that `call` does not know of. */
  begin(): void {
    this.#begun++;
  }

  count(outcome: string): void {
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1);
  }

  fault(what: string): void {
    this.#faults.push(what.slice(0, 2000));
  }

  /** Puts a new guard in place of the one that is in use, whose calls end as they may. */
  async replaceGuard(): Promise<void> {
    const next = await this.#load(limits);
    const old = this.#guard;
    this.#guard = next;
    const disposal = old.dispose().finally(() => this.#disposals.delete(disposal));
    this.#disposals.add(disposal);
  }

  #start(act: Act): void {
    const running = act(this).finally(() => this.#acts.delete(running));
    this.#acts.add(running);
  }

  /** Waits until nothing runs; then only kept policies may hold keys and values. */
  async #quiet(): Promise<void> {
    await Promise.all(this.#acts);
    await Promise.all(this.#disposals);
    // Passes of calls that were given up end by themselves.
    for (let i = 0; i < 1000 && this.#held > 0; i++) await wait(5);
    if (this.#held > 0) this.fault(`${this.#held} sequences were not disposed when nothing ran`);
    this.#options.onQuiet(this.#begun);
  }

  /** Sequences that are not in the policy cache. */
  get #held(): number {
    return this.#sequences.live - this.#guard.info.policyCache.entries;
  }

  #judgeAlone({ messages, options }: Input): Promise<Outcome> {
    const key = JSON.stringify([messages, options]);
    const known = this.#known.get(key) ?? outcomeOf(this.#alone.moderate(messages, options));
    this.#known.set(key, known);
    return known;
  }

  async #load(options: LoadOptions): Promise<LlamaGuard> {
    const all = { threads: this.#options.threads, snapshots: this.snapshots, ...options };
    return guardOver(await openJudge(this.#addon, modelFolder(undefined, {}), loadSettings(all, {})));
  }
}
