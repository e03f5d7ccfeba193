// SPDX-License-Identifier: Apache-2.0
// The held-out conversations, the reference's stored answers to them, and how two sets of answers are compared.

import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { DecoderOptions } from './decoder.js';
import type { Readings } from './judge.js';
import { type Source, readAll } from './pool.js';
import type { Message } from './text.js';

const folder = 'test/fixtures/heldout';
export const demoModel = 'models/demo';
export const demoTokenizer = 'test/fixtures/guard-tiny/tokenizer.json';

/** One conversation, and what the float checkpoint behind the demo model says of it. */
export interface HeldoutCase {
  readonly lang: string;
  readonly messages: readonly Message[];
  readonly label: 'safe' | 'unsafe';
  readonly float_p_unsafe: number;
  readonly float_top_category: string;
}

/** What the reference computed with the converted demo model in double precision. */
export interface StoredReference {
  /** sha256 of the model.safetensors that it read. */
  readonly model: string;
  /** In double precision: label logits at the verdict position (after "\n\n"), six digits after the point. */
  readonly logits: readonly (readonly number[])[];
  /** In the engine's arithmetic, exactly, for `contractCases`: all logits that a reading has, row after row. */
  readonly contract: readonly (readonly number[])[];
}

/** Conversations whose logits are stored bit for bit: user's and agent's turns in several languages. */
export function contractCases<T>(all: readonly T[]): T[] {
  return all.filter((_, i) => i % 80 === 0);
}

export function readHeldout(): HeldoutCase[] {
  const lines = readFileSync(join(folder, 'heldout.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as HeldoutCase);
}

/** Texts of the label rows of a converted model. */
export function labelTexts(model = demoModel): string[] {
  const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8')) as { labels: { text: string }[] };
  return config.labels.map((label) => label.text);
}

/** The reference's readings of conversations, by the demo model unless another source is named. */
export function readCases(
  cases: readonly HeldoutCase[],
  rounding: DecoderOptions,
  source: Source = { kind: 'container', folder: demoModel },
): Promise<Readings[]> {
  const conversations = cases.map((item) => item.messages);
  return readAll({ source, tokenizer: demoTokenizer, rounding, conversations }, { workers: 2 });
}

function modelHash(): string {
  return createHash('sha256').update(readFileSync(join(demoModel, 'model.safetensors'))).digest('hex');
}

/** The stored answers; throws where they belong to another model. */
export function readStoredReference(): StoredReference {
  const stored = JSON.parse(readFileSync(join(folder, 'reference.json'), 'utf8')) as StoredReference;
  if (stored.model === modelHash()) return stored;
  throw new Error('models/demo has changed: store its answers anew with `node tools/heldout-report.mjs --all --store`');
}

export function storeReference(mathematics: readonly Readings[], contract: readonly Readings[]): void {
  const list = (name: string, rows: readonly number[][]): string =>
    `"${name}":[\n${rows.map((row) => JSON.stringify(row)).join(',\n')}\n]`;
  const logits = mathematics.map((rows) => Array.from(rows[1]!, (x) => Number(x.toFixed(6))));
  const bits = contract.map((rows) => rows.flatMap((row) => [...row]));
  const text = `{"model":"${modelHash()}",\n${list('logits', logits)},\n${list('contract', bits)}}\n`;
  writeFileSync(join(folder, 'reference.json'), text);
}

export interface Agreement {
  /** Share of conversations with the same verdict. */
  readonly verdicts: number;
  /** Share with P(unsafe) at most .01 apart. */
  readonly within: number;
  /** Quantiles of the distance between two P(unsafe). */
  readonly median: number;
  readonly p99: number;
  readonly worst: number;
}

/** How well two lists of P(unsafe) agree. */
export function agreement(a: readonly number[], b: readonly number[]): Agreement {
  const share = (test: (p: number, q: number) => boolean): number => a.filter((p, i) => test(p, b[i]!)).length / a.length;
  const distances = a.map((p, i) => Math.abs(p - b[i]!)).sort((p, q) => p - q);
  const quantile = (part: number): number => distances[Math.ceil(part * distances.length) - 1]!;
  return {
    verdicts: share((p, q) => p >= 0.5 === q >= 0.5),
    within: share((p, q) => Math.abs(p - q) <= 0.01),
    median: quantile(0.5),
    p99: quantile(0.99),
    worst: quantile(1),
  };
}
