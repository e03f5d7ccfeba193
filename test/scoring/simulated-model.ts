// SPDX-License-Identifier: Apache-2.0
// A model that is a function from a context to label logits, a driver that feeds it as a decoder asks, and the same
// decoding written down once more the slow way: one token a pass, every list enumerated.

import { type Label, LabelSet } from '../../lib/scoring/labels.js';
import type { ScoredCategory, Verdict } from '../../lib/scoring/scores.js';
import { VerdictDecoder } from '../../lib/scoring/verdict-decoder.js';

/** Logits by label text, for the context as the texts of its tokens after the prompt. */
export type Model = (context: readonly string[]) => readonly number[];

export const labelTexts = ['safe', 'unsafe', '\n', '\n\n', 'S', ',S', ...'123456789', '10', '11', '12', '13', '<|eot_id|>'];

/** Labels with ids that are not their rows. */
export function labelsOf(texts: readonly string[]): readonly Label[] {
  return texts.map((text, row) => ({ id: 1000 + 7 * row, text }));
}

export function categoriesOf(...codes: string[]): readonly ScoredCategory[] {
  return codes.map((code) => ({ code, name: `name of ${code}` }));
}

/** Softmax by the platform's exp: not the bits of the native one, but independent of it. */
export function softmax(logits: Float32Array): Float32Array {
  const max = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - max));
  const sum = powers.reduce((total, power) => total + power, 0);
  return Float32Array.from(powers, (power) => power / sum);
}

export interface Decoded {
  readonly verdict: Verdict;
  readonly passes: number;
  /** Tokens of the verdict that are known to be part of it after the last pass. */
  readonly kept: readonly string[];
}

export interface Setup {
  readonly texts: readonly string[];
  readonly categories: readonly ScoredCategory[];
  readonly threshold?: number;
  readonly review?: number;
}

/** Runs a decoder as the engine would: feeds what it asks for, drops what it does not keep. */
export function decode(model: Model, { texts, categories, threshold = 0.5, review = threshold }: Setup): Decoded {
  const labels = new LabelSet(labelsOf(texts));
  const decoder = new VerdictDecoder(labels, categories, { softmax, thresholds: { review, block: threshold } });
  const kept: string[] = [];
  let fed: string[] = [];
  let passes = 0;
  for (let step = decoder.next(); step !== null; step = decoder.next()) {
    kept.push(...fed.slice(0, step.keep));
    fed = step.tokens.map((id) => texts[labels.rowOf(id) ?? -1] ?? `unknown id ${id}`);
    const positions = Array.from({ length: step.logits }, (_, index) => fed.length + 1 - step.logits + index);
    decoder.accept(Float32Array.from(positions.flatMap((end) => model([...kept, ...fed.slice(0, end)]))));
    passes++;
  }
  return { verdict: decoder.result(), passes, kept };
}

/** A model whose logits are pseudo-random numbers, the same for the same seed and context. */
export function randomModel(seed: number, size: number): Model {
  return (context) => {
    let state = seed;
    for (const char of JSON.stringify(context)) state = Math.imul(state ^ (char.codePointAt(0) ?? 0), 0x01000193);
    return Array.from({ length: size }, () => {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return Math.fround(((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 29 - 4);
    });
  };
}

/** What the decoder must come to, token by token from the grammar. */
export function decodeSlowly(model: Model, { texts, categories, threshold = 0.5 }: Setup): {
  readonly pUnsafe: number;
  readonly listed: readonly string[];
  /** P(a category is listed by a list that leaves the decoded one at this category or later), times P(unsafe). */
  readonly scores: ReadonlyMap<string, number>;
  /** P(a category is listed at all), times P(unsafe). */
  readonly listedAtAll: ReadonlyMap<string, number>;
} {
  const shares = (context: readonly string[], allowed: readonly string[]): readonly number[] => {
    const logits = model(context);
    return [...softmax(Float32Array.from(allowed, (text) => logits[texts.indexOf(text)] ?? NaN))];
  };
  const best = (context: readonly string[], allowed: readonly string[]): string => {
    const sorted = [...allowed].sort((a, b) => texts.indexOf(a) - texts.indexOf(b));
    const values = sorted.map((text) => model(context)[texts.indexOf(text)] ?? NaN);
    return sorted[values.indexOf(Math.max(...values))] ?? '';
  };
  const codes = categories.map((category) => category.code);
  const separator = texts.includes(',S') ? [',S'] : [',', 'S'];
  const goOn = separator[0] ?? '';
  const end = '<|eot_id|>';

  const lead = texts.includes('\n\n') && best([], ['safe', 'unsafe', '\n\n']) === '\n\n' ? ['\n\n'] : [];
  const pUnsafe = shares(lead, ['safe', 'unsafe'])[1] ?? 0;
  if (pUnsafe < threshold) return { pUnsafe, listed: [], scores: new Map(), listedAtAll: new Map() };

  const contextOf = (list: readonly string[]): readonly string[] =>
    list.reduce<string[]>(
      (context, code, index) => [...context, ...(index === 0 ? ['\n', 'S'] : separator), code.slice(1)],
      [...lead, 'unsafe'],
    );
  const before = (list: readonly string[]): readonly string[] => [...contextOf(list), ...(list.length === 0 ? ['\n', 'S'] : separator)];
  const rest = (list: readonly string[]): readonly string[] => codes.filter((code) => !list.includes(code));

  const listed: string[] = [];
  do {
    listed.push(`S${best(before(listed), rest(listed).map((code) => code.slice(1)))}`);
  } while (rest(listed).length > 0 && best(contextOf(listed), [goOn, end]) === goOn);

  /** Every list that begins with `list`, with its probability. */
  const complete = (list: readonly string[], probability: number): readonly [readonly string[], number][] => {
    const open = rest(list);
    if (list.length > 0 && open.length === 0) return [[list, probability]];
    const onward = list.length === 0 ? 1 : (shares(contextOf(list), [goOn, end])[0] ?? 0);
    const chances = shares(before(list), open.map((code) => code.slice(1)));
    const longer = open.flatMap((code, index) => complete([...list, code], probability * onward * (chances[index] ?? 0)));
    return list.length === 0 ? longer : [[list, probability * (1 - onward)], ...longer];
  };
  const lists = complete([], pUnsafe);
  const massOf = (counts: (list: readonly string[], at: number) => boolean): ReadonlyMap<string, number> =>
    new Map(
      codes.map((code) => {
        const holding = lists.filter(([list]) => list.includes(code) && counts(list, list.indexOf(code)));
        return [code, holding.reduce((sum, [, probability]) => sum + probability, 0)];
      }),
    );
  return {
    pUnsafe,
    listed,
    scores: massOf((list, at) => at < listed.length && list.slice(0, at).every((code, index) => code === listed[index])),
    listedAtAll: massOf(() => true),
  };
}
