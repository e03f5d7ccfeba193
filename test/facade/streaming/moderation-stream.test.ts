// SPDX-License-Identifier: Apache-2.0
// guard.stream() as Web streams and Node's streams see it: verdicts as of the whole answer, what each check computes,
// backpressure, cancellation and disposal.

import { pipeline } from 'node:stream/promises';
import { Readable, Writable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';

import { expect } from 'chai';

import { LlamaGuard, type LlamaGuardError, type StreamCheck, type StreamOptions } from '../../../lib/index.js';
import { demoConfig, fakeGuard, speaks } from '../../support/fake-guard.js';

const messages = [{ role: 'user' as const, content: 'Tell me a story.' }];

/** A made-up answer of `count` words, one chunk each. */
function chunksOf(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${i === 0 ? 'Once' : ` word${i % 13}`}${i % 7 === 6 ? '.' : ''}`);
}

function source(chunks: readonly (string | Uint8Array)[], onCancel: (reason: unknown) => void = () => undefined): ReadableStream<string> {
  const left = [...chunks];
  return new ReadableStream<string>({
    pull(controller) {
      const chunk = left.shift();
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk as string);
    },
    cancel: onCancel,
  });
}

async function textOf(stream: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}

const caught = (promise: Promise<unknown>): Promise<LlamaGuardError> =>
  promise.then(() => Promise.reject(new Error('nothing failed')), (error: unknown) => error as LlamaGuardError);

describe('guard.stream', function () {
  this.timeout(60_000);

  it('gives the whole answer the verdict of the whole answer, bit for bit, and every prefix its own', async () => {
    const guard = await LlamaGuard.load();
    const chunks = chunksOf(120);
    const checks: StreamCheck[] = [];
    const stream = guard.stream({ messages, checkEvery: 16, threshold: 1, onCheck: (check) => checks.push(check) });
    expect(await textOf(source(chunks).pipeThrough(stream))).to.equal(chunks.join(''));
    const report = await stream.report;
    expect(report.checks).to.equal(checks.length).and.to.be.at.least(7);
    expect(report.lastCheck?.length).to.equal(chunks.join('').length);
    for (const { result, length } of checks) {
      const alone = await guard.moderate([...messages, { role: 'assistant', content: chunks.join('').slice(0, length) }], { threshold: 1 });
      expect(result.score).to.equal(alone.score);
      expect(result.usage.promptTokens).to.equal(alone.usage.promptTokens);
    }
    await guard.dispose();
  });

  it('computes for each check what is new and the fixed words after the answer', async () => {
    const { guard, addon } = await fakeGuard({ logitsAfter: speaks([]) });
    const checks: StreamCheck[] = [];
    const stream = guard.stream({ messages, checkEvery: 20, onCheck: (check) => checks.push(check) });
    await textOf(source(chunksOf(200)).pipeThrough(stream));
    const fixed = (await guard.moderate([...messages, { role: 'assistant', content: 'a' }])).usage;
    const suffix = fixed.promptTokens - fixed.cachedTokens;
    for (const { result } of checks.slice(1)) {
      const computed = result.usage.promptTokens - result.usage.cachedTokens;
      // 20 tokens, a few that the new text changes at the seam, and the instruction after the answer.
      expect(computed).to.be.within(20, 20 + suffix + 8);
      expect(result.usage.passes).to.equal(1);
    }
    expect(addon.liveSequences).to.equal(1);
    await guard.dispose();
  });

  it('takes UTF-8 bytes that are cut anywhere', async () => {
    const { guard } = await fakeGuard({ logitsAfter: speaks([]) });
    const bytes = new TextEncoder().encode('Größe, 寿司 und 🍣.');
    const stream = guard.stream({ messages, checkEvery: 1 });
    expect(await textOf(source([...bytes].map((byte) => Uint8Array.of(byte))).pipeThrough(stream))).to.equal('Größe, 寿司 und 🍣.');
    await guard.dispose();
  });

  it('fails with a typed error on a violation, lets nothing unjudged out, and cancels its source', async () => {
    const { guard, addon } = await fakeGuard({ logitsAfter: speaks(['S9']) });
    let cancelled = false;
    const stream = guard.stream({ messages });
    const out = source(chunksOf(100), () => (cancelled = true)).pipeThrough(stream);
    const received: string[] = [];
    const error = await caught((async () => { for await (const text of out) received.push(text); })());
    expect(error.code).to.equal('ERR_LLAMA_GUARD_UNSAFE');
    expect(error.category).to.equal('verdict');
    expect((error.cause as StreamCheck).result.categories.map(({ code }) => code)).to.deep.equal(['S9']);
    expect(error.message).not.to.contain('word');
    expect(received).to.deep.equal([]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(cancelled).to.equal(true);
    expect(await caught(stream.report)).to.equal(error);
    expect(addon.liveSequences).to.equal(1);
    await guard.dispose();
  });

  it('ends after the replacement where that is asked for', async () => {
    const { guard } = await fakeGuard({ logitsAfter: speaks(['S9']) });
    const stream = guard.stream({ messages, onViolation: 'replace', replacement: 'Sorry.' });
    expect(await textOf(source(chunksOf(5)).pipeThrough(stream))).to.equal('Sorry.');
    expect(await stream.report).to.include({ flagged: true, checks: 1 });
    await guard.dispose();
  });

  it('works between streams of Node', async () => {
    const { guard, addon } = await fakeGuard({ logitsAfter: speaks([]) });
    const chunks = chunksOf(60);
    let text = '';
    const sink = new Writable({ decodeStrings: false, write: (chunk: string, _encoding, done) => { text += chunk; done(); } });
    await pipeline(Readable.from(chunks), guard.stream({ messages }).toNode(), sink);
    expect(text).to.equal(chunks.join(''));
    await guard.dispose();
    expect(addon.liveSequences).to.equal(0);
  });

  it('passes its failure on to streams of Node', async () => {
    const { guard } = await fakeGuard({ logitsAfter: speaks(['S1']) });
    const sink = new Writable({ write: (_chunk, _encoding, done) => done() });
    const error = await caught(pipeline(Readable.from(chunksOf(60)), guard.stream({ messages }).toNode(), sink));
    expect(error.code).to.equal('ERR_LLAMA_GUARD_UNSAFE');
    await guard.dispose();
  });

  it('holds its writer back while nobody reads', async () => {
    const { guard } = await fakeGuard({ logitsAfter: speaks([]) });
    const stream = guard.stream({ messages, checkEvery: 1 });
    const writer = stream.writable.getWriter();
    let written = 0;
    for (let i = 0; i < 5; i++) void writer.write(` word${i}`).then(() => written++);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(written).to.equal(0);
    const reader = stream.readable.getReader();
    for (let i = 0; i < 5; i++) await reader.read();
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(written).to.equal(5);
    await guard.dispose();
  });

  it('ends with its signal, with its reader and with its writer, and gives its keys and values back', async () => {
    const { guard, addon } = await fakeGuard({ logitsAfter: speaks([]) });
    const start = async (options: Partial<StreamOptions> = {}): Promise<ReturnType<LlamaGuard['stream']>> => {
      const stream = guard.stream({ messages, checkEvery: 1, ...options });
      const writer = stream.writable.getWriter();
      void writer.write('one two').catch(() => undefined);
      writer.closed.catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 20));
      writer.releaseLock();
      expect(addon.liveSequences).to.equal(2);
      return stream;
    };
    const controller = new AbortController();
    const aborted = await start({ signal: controller.signal });
    controller.abort(new Error('enough'));
    expect(await caught(aborted.report)).to.have.property('code', 'ERR_LLAMA_GUARD_ABORTED');
    expect(await caught(textOf(aborted.readable))).to.have.property('code', 'ERR_LLAMA_GUARD_ABORTED');
    expect(addon.liveSequences).to.equal(1);

    const unread = await start();
    await unread.readable.cancel('no reader');
    expect(await caught(unread.report)).to.equal('no reader');
    expect(addon.liveSequences).to.equal(1);

    const unwritten = await start();
    await unwritten.writable.abort('no writer');
    expect(await caught(unwritten.report)).to.equal('no writer');
    expect(addon.liveSequences).to.equal(1);
    await guard.dispose();
  });

  it('fails when the guard is disposed, and is refused afterwards', async () => {
    const { guard, addon } = await fakeGuard({ logitsAfter: speaks([]) });
    const stream = guard.stream({ messages, checkEvery: 1 });
    const out = caught(textOf(source(chunksOf(500)).pipeThrough(stream)));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await guard.dispose();
    expect((await out).code).to.equal('ERR_LLAMA_GUARD_DISPOSED');
    expect(addon.liveSequences).to.equal(0);
    expect(() => guard.stream({ messages })).to.throw().with.property('code', 'ERR_LLAMA_GUARD_DISPOSED');
  });

  it('is refused with wrong messages or options', async () => {
    const { guard } = await fakeGuard();
    const code = (options: object): string => {
      try {
        guard.stream(options as StreamOptions);
      } catch (error) {
        return (error as LlamaGuardError).code;
      }
      return '';
    };
    expect(code({})).to.equal('ERR_LLAMA_GUARD_INVALID_ARGUMENT');
    expect(code({ messages: [] })).to.equal('ERR_LLAMA_GUARD_ROLE_ORDER');
    expect(code({ messages: [...messages, { role: 'assistant', content: 'a' }] })).to.equal('ERR_LLAMA_GUARD_ROLE_ORDER');
    expect(code({ messages: [{ role: 'user', content: 'a '.repeat(demoConfig.model.contextLength) }] })).to.equal('ERR_LLAMA_GUARD_CONTEXT_OVERFLOW');
    for (const wrong of [
      { mode: 'both' }, { checkEvery: 0 }, { holdBack: 3 }, { mode: 'window', holdBack: -1 }, { onViolation: 'log' },
      { replacement: 3 }, { mode: 'audit', onViolation: 'stop' }, { onCheck: 1 }, { treshold: 0.5 }, { threshold: 2 },
    ]) {
      expect(code({ messages, ...wrong }), JSON.stringify(wrong)).to.equal('ERR_LLAMA_GUARD_INVALID_ARGUMENT');
    }
    expect(code({ messages, exclude: ['S99'] })).to.equal('ERR_LLAMA_GUARD_UNKNOWN_CATEGORY');
    await guard.dispose();
  });
});
