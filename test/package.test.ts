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
    expect(readFileSync('dist/esm/cli/main.js', 'utf8').split('\n')[0]).to.equal('#!/usr/bin/env node');
  });

  it('recognises errors across both copies', () => {
    const script = `
      const { LlamaGuardError } = require('llama-guard-int4');
      import('llama-guard-int4').then((esm) => {
        const error = new LlamaGuardError('ERR_LLAMA_GUARD_DISPOSED', 'x');
        console.log(esm.LlamaGuardError.isInstance(error), error instanceof esm.LlamaGuardError);
      });`;
    const output = execFileSync(process.execPath, ['--input-type=commonjs', '-e', script], { encoding: 'utf8' });
    expect(output.trim()).to.equal('true false');
  });
});
