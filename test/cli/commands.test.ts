// SPDX-License-Identifier: Apache-2.0
// info, demo, bench, synth and convert, each run once on something small.

import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import { runCli } from '../support/cli.js';

interface SpreadJson {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

function expectSpread(value: unknown): void {
  const { median, min, max } = value as SpreadJson;
  expect(min).to.be.greaterThan(0);
  expect(median).to.be.within(min, max);
}

describe('llama-guard', function () {
  this.timeout(60_000);
  let folder: string;

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'lg-commands-'));
  });

  after(() => rmSync(folder, { recursive: true }));

  const at = (name: string): string => path.join(folder, name);

  it('info shows machine, instruction sets, model and memory', async () => {
    const { code, stdout } = await runCli(['info', '--threads', '1', '--isa', 'scalar']);
    expect(code).to.equal(0);
    for (const part of [/^node +v\d/m, /^ISA in use +scalar$/m, /^threads +1$/m, /^layers +12$/m, /^ +S13 +Elections$/m]) {
      expect(stdout).to.match(part);
    }
    expect(stdout).to.contain('must not guard anything real').and.to.contain('(demo)');
  });

  it('info --json gives the same as one object', async () => {
    const { code, stdout } = await runCli(['info', '--json', '--threads', '2']);
    expect(code).to.equal(0);
    const info = JSON.parse(stdout) as Record<string, unknown>;
    expect(info).to.include({ threads: 2, demo: true, node: process.version });
    expect(info['dims']).to.include({ layers: 12, hiddenSize: 256, vocabSize: 4096 });
    // 12 layers of keys and values in f16, one head of 64.
    expect(info['kvBytesPerToken']).to.equal(12 * 2 * 64 * 2);
    expect(info['labels']).to.have.lengthOf(20);
    const isas = info['isas'] as { name: string; supported: boolean }[];
    expect(isas[0]).to.deep.equal({ name: 'scalar', supported: true });
    expect(isas.filter(({ supported }) => supported).map(({ name }) => name)).to.include(info['isa']);
  });

  it('info tells of the machine even when the model cannot be loaded', async () => {
    const { code, stdout, stderr } = await runCli(['info', '--model', at('nothing')]);
    expect(code).to.equal(2);
    expect(stdout).to.match(/^platform /m);
    expect(stderr).to.contain('ERR_LLAMA_GUARD_MODEL_NOT_FOUND');
  });

  it('demo prints a verdict for each conversation and what the model is', async () => {
    const { code, stdout } = await runCli(['demo', '--threads', '1']);
    expect(code).to.equal(0);
    expect(stdout).to.contain('must not guard anything real').and.to.contain('1 thread(s)');
    expect(stdout.match(/^(safe|unsafe) .* (user|agent) +[a-z]{2} /gm)).to.have.lengthOf(8);
  });

  it('bench prints the figures as JSON', async () => {
    const { code, stdout } = await runCli(['bench', '--json', '--runs', '2', '--threads', '1']);
    expect(code).to.equal(0);
    const result = JSON.parse(stdout) as Record<string, unknown>;
    expect(result).to.include({ threads: 1, runs: 2, decodeContext: 512 });
    expect(Object.keys(result['prefillTokensPerS'] as object)).to.deep.equal(['64', '256', '512']);
    for (const spread of Object.values(result['prefillTokensPerS'] as object)) expectSpread(spread);
    for (const name of ['decodeTokensPerS', 'uncachedVerdictMs', 'repeatedVerdictMs']) expectSpread(result[name]);
    expect(result['loadMs']).to.be.greaterThan(0);
    expect(result['firstVerdictMs']).to.be.greaterThan(result['loadMs'] as number);
    expect(result['peakRssMB']).to.be.within(20, 2000);
    expect((result['verdictTokens'] as { afterPolicy: number }).afterPolicy).to.equal(84);
  });

  it('bench prints the machine first and then a table', async () => {
    const { code, stdout } = await runCli(['bench', 'models/demo', '--runs', '1']);
    expect(code).to.equal(0);
    expect(stdout).to.match(/^cpu {4}.+\nsystem .+\nbuild .+\nmodel  models\/demo\n/);
    expect(stdout).to.match(/^prefill 256 +[\d.]+ +[\d.]+ +[\d.]+ +tokens\/s$/m).and.to.match(/^peak resident memory \d+ MB$/m);
  });

  it('synth makes a folder that check can use, the same for the same seed', async () => {
    const small = ['--layers', '2', '--hidden-size', '256', '--intermediate-size', '512', '--heads', '4', '--kv-heads', '1', '--vocab-size', '8192'];
    const first = await runCli(['synth', at('a'), ...small, '--seed', '3']);
    expect([first.code, first.stderr]).to.deep.equal([0, '']);
    expect((await runCli(['synth', at('b'), ...small, '--seed', '3'])).code).to.equal(0);
    expect(readFileSync(at('a/model.safetensors')).equals(readFileSync(at('b/model.safetensors')))).to.equal(true);
    const { code, stdout } = await runCli(['check', '--json', '--model', at('a'), 'hello']);
    expect(code).to.be.oneOf([0, 1]);
    expect((JSON.parse(stdout) as { demo: boolean }).demo).to.equal(true);
    const again = await runCli(['synth', at('a'), ...small]);
    expect(again.code).to.equal(2);
    expect(again.stderr).to.contain('ERR_LLAMA_GUARD_INVALID_ARGUMENT');
    expect((await runCli(['synth', at('a'), ...small, '--force'])).code).to.equal(0);
  });

  it('convert refuses a source that is none and leaves nothing behind', async () => {
    const { code, stderr } = await runCli(['convert', at('nothing'), at('out')]);
    expect(code).to.equal(2);
    expect(stderr).to.contain('ERR_LLAMA_GUARD_MODEL_NOT_FOUND');
    expect(existsSync(at('out'))).to.equal(false);
  });

  it('check refuses a damaged model with a typed error', async () => {
    cpSync('models/demo', at('damaged'), { recursive: true });
    truncateSync(at('damaged/model.safetensors'), 100_000);
    const { code, stdout, stderr } = await runCli(['check', '--model', at('damaged'), 'hello']);
    expect(code).to.equal(2);
    expect(stdout).to.equal('');
    expect(stderr).to.contain('ERR_LLAMA_GUARD_TRUNCATED');
    expect(readdirSync(at('damaged'))).to.include('config.json');
  });
});
