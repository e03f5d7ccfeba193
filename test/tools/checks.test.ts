// SPDX-License-Identifier: Apache-2.0
// Checks of tools/ that look at the whole project: pages that are written from code, and missing tools.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

function node(args: readonly string[], env: NodeJS.ProcessEnv = {}): { said: string; status: number | null } {
  const { stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8', env: { ...process.env, ...env } });
  return { said: stderr, status };
}

describe('tools/check-docs.mjs', () => {
  it('finds docs/errors.md as the table of codes has it', () => {
    expect(node(['tools/check-docs.mjs'])).to.deep.equal({ said: '', status: 0 });
  });
});

describe('tools/check-tools.mjs', () => {
  const script = "import('./tools/check-tools.mjs').then((tools) => tools.requireNativeTools())";
  let empty: string;
  before(() => {
    empty = mkdtempSync(path.join(tmpdir(), 'llama-guard-path-'));
  });
  after(() => rmSync(empty, { recursive: true }));

  it('names the packages that hold a compiler', () => {
    const { said, status } = node(['-e', script], { PATH: empty, CXX: '' });
    expect(status).to.equal(1);
    expect(said).to.contain('apt install g++').and.to.contain('pkg install clang').and.to.contain('dnf install gcc-c++');
    expect(said).not.to.contain('    at ');
  });

  it('does not take a compiler that cannot compile', () => {
    const { said, status } = node(['-e', script], { CXX: 'false' });
    expect(status).to.equal(1);
    expect(said).to.contain('tried: false');
  });

  it('finds what this machine has', () => {
    expect(node(['-e', script])).to.deep.equal({ said: '', status: 0 });
  });
});
