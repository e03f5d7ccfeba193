// SPDX-License-Identifier: Apache-2.0
// The package as its users load it: by name, as an ES module and as a CommonJS module.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

import { expect } from 'chai';

interface Manifest {
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, string>>>>>>;
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;

/** Names that the package exports to a program of one kind. */
function exportedNames(kind: 'module' | 'commonjs'): string[] {
  const get = kind === 'module' ? "await import('llama-guard-int4')" : "require('llama-guard-int4')";
  const script = `const names = Object.keys(${get}); console.log(JSON.stringify(names));`;
  const output = execFileSync(process.execPath, [`--input-type=${kind}`, '-e', script], { encoding: 'utf8' });
  return (JSON.parse(output) as string[]).filter((name) => name !== '__esModule').sort();
}

describe('package', () => {
  it('exports the same names to ES modules and to CommonJS', () => {
    const names = exportedNames('module');
    expect(names).to.include('LlamaGuard').and.to.include('LlamaGuardError');
    expect(exportedNames('commonjs')).to.deep.equal(names);
  });

  it('has every file that package.json points at', () => {
    const targets = Object.values(manifest.exports['.'] ?? {}).flatMap((entry) => Object.values(entry));
    expect(targets).to.have.lengthOf(4);
    for (const file of [...targets, ...Object.values(manifest.bin)]) expect(existsSync(file), file).to.equal(true);
  });

  it('starts its command with a line that names node', () => {
    expect(readFileSync('dist/cli/main.js', 'utf8').split('\n')[0]).to.equal('#!/usr/bin/env node');
  });

  it('gives `import` and `require` the same classes', () => {
    const script = `
      const required = require('llama-guard-int4');
      import('llama-guard-int4').then((imported) => {
        const same = Object.keys(required).filter((name) => imported[name] === required[name]);
        console.log(JSON.stringify(same.sort()));
      });`;
    const output = execFileSync(process.execPath, ['--input-type=commonjs', '-e', script], { encoding: 'utf8' });
    expect(JSON.parse(output)).to.deep.equal(['LlamaGuard', 'LlamaGuardError', 'defaultTaxonomy']);
  });

  it('loads for a first verdict what it needs, and streams with the first stream', () => {
    const script = `
      const { LlamaGuard } = require('llama-guard-int4');
      const loaded = () => Object.keys(require.cache).map((file) => file.split('/dist/')[1] ?? file);
      (async () => {
        const guard = await LlamaGuard.load('models/demo', { snapshots: false, threads: 1 });
        await guard.moderate('How do I sharpen a kitchen knife?');
        const first = loaded();
        guard.stream({ messages: [{ role: 'user', content: 'Tell me a story.' }] }).report.catch(() => undefined);
        const streaming = loaded();
        await guard.dispose();
        console.log(JSON.stringify({ first, streaming }));
      })();`;
    const output = execFileSync(process.execPath, ['--input-type=commonjs', '-e', script], { encoding: 'utf8' });
    const { first, streaming } = JSON.parse(output) as Record<'first' | 'streaming', string[]>;
    const rooms = /^(cli|convert|facade\/streaming)\/|^(scheduling\/in-order|native\/explain-failure|kv-cache\/snapshot-pruning)\.js$/;
    const sources = /^tokenizer\/(sources|tables|tokenizer-json|tiktoken-text|json-shape|byte-level)\.js$/;
    expect(first).to.include('facade/llama-guard.js').and.to.include('tokenizer/tokenizer.js');
    expect(first.filter((file) => rooms.test(file) || sources.test(file))).to.deep.equal([]);
    expect(streaming).to.include('facade/streaming/moderation-stream.js');
  });
});
