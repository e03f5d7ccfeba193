// SPDX-License-Identifier: Apache-2.0
// Overflow `window`: long last messages in overlapping windows, each judged as a message of its own.

import { expect } from 'chai';

import { LlamaGuard, type LlamaGuardError, type ModerateOptions, type ModerationResult } from '../../lib/index.js';
import { openContainer } from '../../lib/loading/container.js';
import { overlapOf } from '../../lib/prompt/windows.js';
import type { Tokenizer } from '../../lib/tokenizer/index.js';
import { codeOf } from '../support/error-code.js';
import { demoConfig, demoFolder, fakeGuard, speaks } from '../support/fake-guard.js';

const overflow = 'window';
const { contextLength } = demoConfig.model;
let tokenizer: Tokenizer;

function words(count: number): string {
  return Array.from({ length: count }, (_, i) => `word${i}`).join(' ');
}

/** The message of a prompt about a single one. */
function messageOf(tokens: readonly number[]): string {
  return /\nUser: ([^]*)\n\n<END CONVERSATION>/.exec(tokenizer.decode(tokens))?.[1] ?? '';
}

/** A model that finds a prompt the more unsafe, the later its message holds `!`. */
function likesExclamations(tokens: readonly number[]): Float32Array {
  const logits = new Float32Array(demoConfig.labels.length);
  logits[demoConfig.labels.findIndex((label) => label.text === 'unsafe')] = messageOf(tokens).lastIndexOf('!') / 100 - 1;
  return logits;
}

/** Messages of all prompts that a guard has judged. */
async function judged(text: string, options: ModerateOptions): Promise<{ messages: string[]; result: ModerationResult }> {
  const prompts: (readonly number[])[] = [];
  const { guard } = await fakeGuard({ logitsAfter: (tokens) => (prompts.push(tokens), likesExclamations(tokens)) });
  const result = await guard.moderate(text, { threshold: 1, ...options });
  await guard.dispose();
  return { messages: [...new Set(prompts.map(messageOf))].filter((message) => message !== ''), result };
}

describe('overflow window', () => {
  before(async () => {
    ({ tokenizer } = await openContainer(demoFolder));
  });

  it('judges a message that fits as ever', async () => {
    const { guard } = await fakeGuard();
    const text = words(100);
    const { timings: _, usage: __, ...whole } = await guard.moderate(text);
    const { timings: ___, usage: ____, ...result } = await guard.moderate(text, { overflow });
    expect(result).to.deep.equal(whole).and.not.to.have.property('windows');
    expect(await guard.moderate(text, { overflow, windowTokens: 1000 })).not.to.have.property('windows');
    await guard.dispose();
  });

  it('cuts a longer one into windows that fit, and takes the one with the highest P(unsafe)', async () => {
    const text = words(1500).replace('word1100', 'word1100!');
    const { messages, result } = await judged(text, { overflow });
    const { count, index, tokens } = result.windows ?? { count: 0, index: -1, tokens: 0 };
    expect(count).to.be.greaterThan(1).and.to.equal(messages.length);
    const scores = messages.map((message) => message.lastIndexOf('!'));
    expect(result.score).to.be.closeTo(1 / (1 + Math.exp(1 - Math.max(...scores) / 100)), 1e-6);
    const inOrder = [...messages].sort((a, b) => text.indexOf(a) - text.indexOf(b));
    expect(inOrder[index]).to.contain('word1100!');
    expect(tokens).to.be.within(overlapOf(tokens), contextLength);
    for (const message of messages) expect(text).to.contain(message);
    for (let i = 5; i < 1500; i += 10) expect(messages.some((message) => message.includes(` word${i} `)), `${i}`).to.equal(true);
  });

  it('cuts at windowTokens even what would fit', async () => {
    const text = `${words(100)}!`;
    const { messages, result } = await judged(text, { overflow, windowTokens: 128 });
    const total = tokenizer.encode(text).length;
    expect(result.windows?.count).to.equal(Math.ceil((total - 64) / 64)).and.to.equal(messages.length);
    expect(result.windows?.tokens).to.be.at.most(128);
    expect(result.windows?.index).to.equal((result.windows?.count ?? 0) - 1);
  });

  it('gives each window the bits of a call with that text alone, in any company', async function () {
    this.timeout(120_000);
    const text = `${words(60)} I will find you and kill you. ${words(90)}`;
    const { messages } = await judged(text, { overflow, windowTokens: 128 });
    const guard = await LlamaGuard.load();
    const options = { labels: true, logits: true, threshold: 0.01 };
    const alone: ModerationResult[] = [];
    for (const message of messages) alone.push(await guard.moderate(message, options));
    const whole = await guard.moderate(text, { ...options, overflow, windowTokens: 128 });
    const best = alone.reduce((a, b) => (b.score > a.score ? b : a));
    expect(new Set(alone.map(({ score }) => score)).size).to.equal(messages.length);
    const facts = ({ score, categories, categoryScores, labels, logits }: ModerationResult) => ({ score, categories, categoryScores, labels, logits });
    expect(facts(whole)).to.deep.equal(facts(best));
    expect(whole.usage.promptTokens).to.equal(alone.reduce((sum, { usage }) => sum + usage.promptTokens, 0));
    const [first, , third] = await Promise.all([
      guard.moderate(text, { ...options, overflow, windowTokens: 128 }),
      guard.moderate('something else'),
      guard.moderate(messages[0] ?? '', options),
    ]);
    expect(facts(first)).to.deep.equal(facts(whole));
    expect(facts(third)).to.deep.equal(facts(alone[0] as ModerationResult));
    await guard.dispose();
  });

  it('names categories in the winning window alone', async () => {
    const { guard, addon } = await fakeGuard({ logitsAfter: speaks(['S3']) });
    const result = await guard.moderate(words(1500), { overflow });
    expect(result.categories.map(({ code }) => code)).to.deep.equal(['S3']);
    // Equal scores: the first window. One naming of two passes, of "unsafe" "\n" "S" and "3" ",S".
    expect(result.windows?.index).to.equal(0);
    expect(addon.passes.filter(({ tokens }) => tokens.length < 4)).to.have.lengthOf(2);
    expect(addon.liveSequences).to.equal(1);
    await guard.dispose();
  });

  it('goes with mode per-category: every category has its largest score', async () => {
    const text = `${words(100)}!`;
    const plain = await judged(text, { overflow, windowTokens: 128 });
    const { result } = await judged(text, { overflow, windowTokens: 128, mode: 'per-category' });
    expect(result.windows).to.deep.equal(plain.result.windows);
    expect(new Set(Object.values(result.categoryScores ?? {}))).to.deep.equal(new Set([result.score]));
    expect(Object.keys(result.categoryScores ?? {})).to.have.lengthOf(13);
  });

  it('keeps earlier messages whole in every window, and refuses them where they leave no room', async () => {
    const seen: string[] = [];
    const { guard } = await fakeGuard({ beforePass: ({ before, tokens, logits }) => void (logits > 0 && seen.push(tokenizer.decode([...before, ...tokens]))) });
    const conversation = (earlier: string): Parameters<LlamaGuard['moderate']>[0] => [
      { role: 'user', content: earlier },
      { role: 'assistant', content: 'Go on.' },
      { role: 'user', content: words(1500) },
    ];
    const result = await guard.moderate(conversation('a first question'), { overflow, threshold: 1 });
    expect(seen).to.have.lengthOf(result.windows?.count ?? 0);
    for (const prompt of seen) expect(prompt).to.contain('User: a first question\n\nAgent: Go on.\n\nUser: ');
    expect(await codeOf(() => guard.moderate(conversation(words(700)), { overflow }))).to.equal('ERR_LLAMA_GUARD_CONTEXT_OVERFLOW');
    await guard.dispose();
  });

  it('is refused beyond its number of windows, by bytes alone where they tell', async () => {
    const { guard, addon } = await fakeGuard();
    const refusal = async (text: string): Promise<LlamaGuardError> =>
      guard.moderate(text, { overflow, windowTokens: 128 }).then(
        () => Promise.reject(new Error('nothing was refused')),
        (error: unknown) => error as LlamaGuardError,
      );
    for (const text of [words(8000), 'x'.repeat(2 ** 23)]) {
      const { code, message } = await refusal(text);
      expect(code).to.equal('ERR_LLAMA_GUARD_CONTEXT_OVERFLOW');
      expect(message).to.match(/needs \d+ windows or more, at most 256 are judged/);
    }
    expect(addon.passes).to.have.lengthOf(0);
    await guard.dispose();
  });

  it('holds no more keys and values at once than calls may, whatever the number of windows', async () => {
    let most = 0;
    const { guard, addon } = await fakeGuard({ beforePass: () => void (most = Math.max(most, addon.liveSequences)) });
    const result = await guard.moderate(words(4000), { overflow, windowTokens: 256, threshold: 1 });
    expect(result.windows?.count).to.be.greaterThan(40);
    // 4,096 tokens of windows of about 300 at a time, the policy, and the leader so far.
    expect(most).to.be.at.most(2 + Math.floor(4096 / 256));
    expect(addon.liveSequences).to.equal(1);
    await guard.dispose();
  });

  it('never gives a verdict when one window fails', async () => {
    let count = 0;
    const { guard, addon } = await fakeGuard({
      logitsAfter: () => new Float32Array(demoConfig.labels.length).fill(++count === 5 ? NaN : 0),
    });
    const options = { overflow, windowTokens: 128 } as const;
    expect(await codeOf(() => guard.moderate(words(200), options))).to.equal('ERR_LLAMA_GUARD_NON_FINITE');
    expect(addon.liveSequences).to.equal(1);
    await guard.dispose();
  });
});
