// SPDX-License-Identifier: Apache-2.0
// Where the addon is looked for, and what is said when it is nowhere.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import { LlamaGuardError } from '../../lib/errors/index.js';
import { packageRoot } from '../../lib/native/host.cjs';
import { addonPaths, loadAddon, loadFirst } from '../../lib/native/load-addon.js';

const machine = { root: '/pkg', overrideDir: undefined, platform: 'linux', arch: 'arm64', musl: false };

describe('addonPaths', () => {
  it('prefers a build of this machine to a prebuilt file', () => {
    expect(addonPaths(machine)).to.deep.equal([
      '/pkg/build/Release/llama_guard.node',
      '/pkg/build-cmake/Release/llama_guard.node',
      '/pkg/prebuilds/linux-arm64/llama_guard.node',
    ]);
  });

  it('keeps prebuilt files for musl apart', () => {
    expect(addonPaths({ ...machine, musl: true }).at(-1)).to.equal('/pkg/prebuilds/linux-arm64-musl/llama_guard.node');
  });

  it('looks only where LLAMA_GUARD_ADDON_DIR says', () => {
    expect(addonPaths({ ...machine, overrideDir: 'other' })).to.deep.equal(['/pkg/other/llama_guard.node']);
    expect(addonPaths({ ...machine, overrideDir: '/abs' })).to.deep.equal(['/abs/llama_guard.node']);
  });

  it('takes an empty LLAMA_GUARD_ADDON_DIR for none', () => {
    expect(addonPaths({ ...machine, overrideDir: '' })).to.deep.equal(addonPaths(machine));
  });
});

describe('loadFirst', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'llama-guard-load-'));
    for (const name of ['first.node', 'second.node']) writeFileSync(path.join(folder, name), 'not a library');
  });
  after(() => rmSync(folder, { recursive: true }));

  it('passes over files that are missing or do not load', () => {
    const files = ['missing.node', 'first.node', 'second.node'].map((name) => path.join(folder, name));
    const addon = {};
    const asked: string[] = [];
    const loaded = loadFirst(files, (file) => {
      asked.push(path.basename(file));
      if (file.endsWith('first.node')) throw new Error('wrong architecture');
      return addon;
    });
    expect(loaded).to.equal(addon);
    expect(asked).to.deep.equal(['first.node', 'second.node']);
  });

  it('says of each path why it failed', () => {
    const missing = path.join(folder, 'missing.node');
    const broken = path.join(folder, 'first.node');
    const cause = new Error('invalid ELF header');
    let thrown: unknown;
    try {
      loadFirst([missing, broken], () => {
        throw cause;
      });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).to.be.instanceOf(LlamaGuardError);
    const error = thrown as LlamaGuardError;
    expect(error.code).to.equal('ERR_LLAMA_GUARD_NO_BINARY');
    expect(error.message).to.contain(`${missing}: no such file`);
    expect(error.message).to.contain(`${broken}: invalid ELF header`);
    expect(error.message).to.contain('npm run build');
    expect(error.cause).to.equal(cause);
  });
});

describe('loadAddon', () => {
  it('loads this build, once', () => {
    expect(loadAddon()).to.be.an('object');
    expect(loadAddon()).to.equal(loadAddon());
  });

  it('finds the package from wherever the compiled file lies', () => {
    expect(packageRoot()).to.equal(process.cwd());
  });
});
