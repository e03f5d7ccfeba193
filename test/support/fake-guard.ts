// SPDX-License-Identifier: Apache-2.0
// A guard over the demo model's folder (its config and tokenizer) with the fake addon in place of the native one.

import { readFileSync } from 'node:fs';

import { guardOver, type LlamaGuard } from '../../lib/facade/llama-guard.js';
import { openJudge } from '../../lib/facade/open-judge.js';
import { type LoadOptions, loadSettings } from '../../lib/facade/options.js';
import { FakeAddon, type FakeAddonOptions } from './fake-addon.js';

export const demoFolder = 'models/demo';

interface DemoConfig {
  readonly model: { readonly contextLength: number };
  readonly labels: readonly { readonly id: number; readonly text: string }[];
}

export const demoConfig = JSON.parse(readFileSync(`${demoFolder}/config.json`, 'utf8')) as DemoConfig;

export async function fakeGuard(
  addonOptions: FakeAddonOptions = {},
  loadOptions: LoadOptions = {},
): Promise<{ guard: LlamaGuard; addon: FakeAddon }> {
  const addon = new FakeAddon(addonOptions);
  const guard = guardOver(await openJudge(addon, demoFolder, loadSettings({ snapshots: false, ...loadOptions }, {})));
  return { guard, addon };
}

/** Logits of a model that begins with "\n\n" and lists these codes; none makes it say safe, with P(unsafe) = 1/(1+e). */
export function speaks(codes: readonly string[]): (tokens: readonly number[]) => Float32Array {
  const rowOf = (text: string): number => demoConfig.labels.findIndex((label) => label.text === text);
  const unsafeId = demoConfig.labels[rowOf('unsafe')]?.id ?? -1;
  const textOf = new Map(demoConfig.labels.map((label) => [label.id, label.text]));
  return (tokens) => {
    // The prompt holds "unsafe" and codes as well; those of the verdict come last.
    const verdict = tokens.slice(tokens.lastIndexOf(unsafeId)).map((token) => textOf.get(token) ?? '');
    const listed = verdict.filter((text) => /^\d+$/.test(text)).length;
    const last = textOf.get(tokens.at(-1) ?? -1);
    const logits = new Float32Array(demoConfig.labels.length);
    const say = (text: string): Float32Array => {
      logits[rowOf(text)] = 1;
      return logits;
    };
    if (last === '\n\n') return say(codes.length > 0 ? 'unsafe' : 'safe');
    if (last === 'S' || last === ',S') return say(codes[listed]?.slice(1) ?? '<|eot_id|>');
    if (last !== undefined && /^\d+$/.test(last)) return say(listed < codes.length ? ',S' : '<|eot_id|>');
    return say('\n\n');
  };
}
