// SPDX-License-Identifier: Apache-2.0
// `llama-guard check` on the demo model: inputs, outputs and exit codes.

import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import type { ModerationResult } from '../../lib/index.js';
import { cliPath, runCli } from '../support/cli.js';

type JsonResult = ModerationResult & { notice?: string };

/** Forces either verdict whatever the model thinks: scores lie strictly between 0 and 1. */
const alwaysUnsafe = ['--threshold', '1e-30'];
const alwaysSafe = ['--threshold', '1'];

describe('llama-guard check', function () {
  this.timeout(30_000);
  let folder: string;

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'lg-check-'));
  });

  after(() => rmSync(folder, { recursive: true }));

  const file = (name: string, content: string): string => {
    writeFileSync(path.join(folder, name), content);
    return path.join(folder, name);
  };

  async function json(args: readonly string[], stdin?: string): Promise<JsonResult> {
    const { code, stdout, stderr } = await runCli(['check', '--json', ...args], stdin === undefined ? {} : { stdin });
    expect(stderr).to.equal('');
    const result = JSON.parse(stdout) as JsonResult;
    expect(code).to.equal(result.flagged ? 1 : 0);
    return result;
  }

  it('exits with 0 for safe and 1 for unsafe', async () => {
    const safe = await runCli(['check', 'hello', ...alwaysSafe]);
    expect(safe.code).to.equal(0);
    expect(safe.stdout).to.match(/^safe \(demo model\)\nP\(unsafe\)/);
    const unsafe = await runCli(['check', 'hello', ...alwaysUnsafe]);
    expect(unsafe.code).to.equal(1);
    expect(unsafe.stdout).to.match(/^unsafe \(demo model\)\nP\(unsafe\)/).and.to.match(/^categories +S\d+ /m);
  });

  it('exits with 3 for a score between the two thresholds, and names categories', async () => {
    const { code, stdout } = await runCli(['check', 'hello', '--review', '1e-30', ...alwaysSafe]);
    expect(code).to.equal(3);
    expect(stdout).to.match(/^review \(demo model\)\nP\(unsafe\)/).and.to.match(/^categories +S\d+ /m);
  });

  it('says with every verdict that the model is a demo', async () => {
    const { stderr } = await runCli(['check', 'hello', ...alwaysSafe]);
    expect(stderr).to.match(/Demo model: .* must not guard anything real/);
    const result = await json(['hello']);
    expect(result.demo).to.equal(true);
    expect(result.notice).to.match(/must not guard anything real/);
  });

  it('prints the whole result as JSON', async () => {
    const result = await json(['hello', ...alwaysUnsafe]);
    expect(result).to.include({ flagged: true, verdict: 'unsafe', role: 'user' });
    expect(result.score).to.be.within(0, 1);
    expect(result.categories.length).to.be.at.least(1);
    expect(result.usage).to.have.all.keys('promptTokens', 'cachedTokens', 'completionTokens', 'passes');
    expect(result.timings).to.have.all.keys('tokenizeMs', 'queueMs', 'prefillMs', 'decodeMs', 'totalMs');
  });

  it('gives the same score for the same text however it comes', async () => {
    const text = 'How do I get wine out of a white shirt?';
    const conversation = JSON.stringify([{ role: 'user', content: text }]);
    const { score, usage } = await json([text]);
    const others = [
      await json([], text),
      await json(['-'], text),
      await json([conversation]),
      await json([], conversation),
      await json([], `{"messages": ${conversation}}`),
      await json(['--conversation', file('a.json', conversation)]),
      await json(['--conversation', file('b.json', `\uFEFF${conversation}`)]),
      await json(['--text', text]),
      await json(['--threads', '1', text]),
      await json(['--isa', 'scalar', text]),
    ];
    for (const other of others) {
      expect(other.score).to.equal(score);
      expect(other.usage.promptTokens).to.equal(usage.promptTokens);
    }
  });

  it('takes a text that looks like a conversation as it is with --text', async () => {
    const conversation = JSON.stringify([{ role: 'user', content: 'a' }, { role: 'assistant', content: 'b' }]);
    expect((await json([conversation])).role).to.equal('assistant');
    expect((await json(['--text', conversation])).role).to.equal('user');
    // A text that only begins with a bracket is a text.
    expect((await json(['[sic] hello'])).role).to.equal('user');
  });

  it('leaves excluded categories out and takes categories of its own', async () => {
    const all = await json(['hello', ...alwaysUnsafe]);
    const top = all.categories[0]?.code ?? '';
    const without = await json(['hello', '--exclude', top, ...alwaysUnsafe]);
    expect(Object.keys(without.categoryScores ?? {})).not.to.include(top);
    const own = file('own.json', '[{"code": "S3", "name": "Rude Words", "description": "Insults."}]');
    const result = await json(['hello', '--categories', own, ...alwaysUnsafe]);
    expect(result.categories.map(({ code, name }) => [code, name])).to.deep.equal([['S3', 'Rude Words']]);
  });

  it('asks about each category alone with --mode per-category', async () => {
    const { mode, categories, categoryScores, score } = await json(['hello', '--mode', 'per-category', ...alwaysUnsafe]);
    expect(mode).to.equal('per-category');
    expect(categories).to.have.lengthOf(13);
    expect(Math.max(...Object.values(categoryScores ?? {}))).to.equal(score);
  });

  it('judges a text beyond the context in windows with --overflow window', async () => {
    const long = 'word '.repeat(3000);
    expect((await json([long, '--overflow', 'window', ...alwaysSafe])).windows?.count).to.be.greaterThan(1);
    const { stdout } = await runCli(['check', 'word '.repeat(300), '--overflow', 'window', '--window-tokens', '200', ...alwaysSafe]);
    expect(stdout).to.match(/^windows +\d+; the verdict is that of number \d+$/m);
  });

  const mistakes: readonly (readonly [string, readonly string[], RegExp, string?])[] = [
    ['an empty text', ['check', '  '], /ERR_LLAMA_GUARD_EMPTY_CONVERSATION/],
    ['empty input', ['check'], /ERR_LLAMA_GUARD_EMPTY_CONVERSATION/, ''],
    ['a conversation that begins with the agent', ['check', '[{"role":"assistant","content":"x"}]'], /ROLE_ORDER/],
    ['a conversation that is no JSON', ['check', '[{"role": oops'], /not valid JSON/],
    ['an unknown category', ['check', 'x', '--exclude', 'S99'], /ERR_LLAMA_GUARD_UNKNOWN_CATEGORY/],
    ['a threshold out of range', ['check', 'x', '--threshold', '1.5'], /ERR_LLAMA_GUARD_INVALID_ARGUMENT.*threshold/],
    ['a threshold of review above the other', ['check', 'x', '--review', '0.6'], /INVALID_ARGUMENT.*review.*0\.5/],
    ['an unknown mode', ['check', 'x', '--mode', 'each'], /ERR_LLAMA_GUARD_INVALID_ARGUMENT.*mode must be one of list, per-category/],
    ['windows that are too small', ['check', 'x', '--overflow', 'window', '--window-tokens', '9'], /windowTokens must be an integer from 128/],
    ['a model that is not there', ['check', 'x', '--model', '/nowhere'], /ERR_LLAMA_GUARD_MODEL_NOT_FOUND.*\/nowhere/],
    ['an unknown instruction set', ['check', 'x', '--isa', 'sse9'], /ERR_LLAMA_GUARD_UNKNOWN_ISA/],
    ['a text beyond the context', ['check', 'word '.repeat(5000)], /ERR_LLAMA_GUARD_CONTEXT_OVERFLOW.*2048/],
    ['a missing conversation file', ['check', '--conversation', '/nowhere.json'], /nowhere\.json \(ENOENT\)/],
  ];
  for (const [what, args, message, stdin] of mistakes) {
    it(`exits with 2 on ${what}`, async () => {
      const { code, stdout, stderr } = await runCli(args, stdin === undefined ? {} : { stdin });
      expect(code).to.equal(2);
      expect(stdout).to.equal('');
      expect(stderr).to.match(message);
      expect(stderr).not.to.contain('    at ');
    });
  }

  it('obeys the environment, and says so when it is wrong', async () => {
    const isa = await runCli(['check', 'x'], { env: { LLAMA_GUARD_ISA: 'sse9' } });
    expect([isa.code, isa.stderr.includes('ERR_LLAMA_GUARD_UNKNOWN_ISA')]).to.deep.equal([2, true]);
    const model = await runCli(['check', 'x'], { env: { LLAMA_GUARD_MODEL: '/nowhere' } });
    expect([model.code, model.stderr.includes('/nowhere')]).to.deep.equal([2, true]);
    const unset = await runCli(['check', 'x', ...alwaysSafe], { env: { LLAMA_GUARD_ISA: '', LLAMA_GUARD_THREADS: '' } });
    expect(unset.code).to.equal(0);
  });

  it('ends with 2, which is no verdict, when its output cannot be written', function () {
    if (!existsSync('/dev/full')) this.skip();
    const full = openSync('/dev/full', 'w');
    const stdio = ['ignore' as const, full, 'pipe' as const];
    const run = spawnSync(process.execPath, [cliPath, 'check', 'a', ...alwaysSafe], { stdio, encoding: 'utf8' });
    closeSync(full);
    expect(run.status).to.equal(2);
    expect(run.stderr).to.include('Cannot write standard output (ENOSPC)');
  });
});
