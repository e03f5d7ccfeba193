// SPDX-License-Identifier: Apache-2.0
// Where the addon is looked for, and what is said when it is nowhere or of no use.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import { LlamaGuardError } from '../../lib/errors/index.js';
import { type AddonSearch, addonPaths } from '../../lib/native/addon-search.js';
import { packageRoot } from '../../lib/native/host.js';
import { loadAddon, loadFirst } from '../../lib/native/load-addon.js';

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
  let root: string;
  let search: AddonSearch;

  /** Puts a file where the addon may lie. */
  const put = (folder: string, content: string | Uint8Array): string => {
    const file = path.join(root, folder, 'llama_guard.node');
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
    return file;
  };

  /** The first 20 bytes of an ELF file for a machine. */
  const elf = (machine: number): Uint8Array => Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, ...Array<number>(12).fill(0), machine, 0);

  const failureOf = (where: AddonSearch, cause: unknown): LlamaGuardError => {
    try {
      loadFirst(where, () => {
        throw cause;
      });
    } catch (error) {
      expect(error).to.be.instanceOf(LlamaGuardError);
      return error as LlamaGuardError;
    }
    throw new Error('it loaded');
  };

  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'llama-guard-load-'));
    search = { ...machine, root };
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('passes over files that are missing or do not load', () => {
    put('build-cmake/Release', 'not a library');
    const last = put('prebuilds/linux-arm64', 'not a library');
    const addon = {};
    const asked: string[] = [];
    const loaded = loadFirst(search, (file) => {
      asked.push(path.relative(root, file));
      if (file !== last) throw new Error('wrong architecture');
      return addon;
    });
    expect(loaded).to.equal(addon);
    expect(asked).to.deep.equal(['build-cmake/Release/llama_guard.node', 'prebuilds/linux-arm64/llama_guard.node']);
  });

  it('says of each path why it failed, and how to mend it', () => {
    const broken = put('build/Release', 'not a library');
    const cause = new Error('invalid ELF header');
    const error = failureOf(search, cause);
    expect(error.code).to.equal('ERR_LLAMA_GUARD_NO_BINARY');
    expect(error.cause).to.equal(cause);
    expect(error.message.split('\n')).to.deep.equal([
      `The native addon for linux-arm64 could not be loaded (Node ${process.version}). Tried:`,
      `  ${broken}: invalid ELF header`,
      `  ${path.join(root, 'build-cmake/Release/llama_guard.node')}: no such file`,
      `  ${path.join(root, 'prebuilds/linux-arm64/llama_guard.node')}: no such file`,
      'Prebuilt binaries in this package: none',
      `What mends it: \`npm run build --prefix ${root}\`. Run the command named above; compiling needs a C++17 compiler and make.`,
    ]);
  });

  it('names the machines that the package has binaries for, unless this is one of them', () => {
    for (const target of ['linux-x64', 'android-arm64']) put(`prebuilds/${target}`, 'not a library');
    expect(failureOf(search, new Error('x')).message).to.contain('in this package: android-arm64, linux-x64\n');
    const served = { ...search, platform: 'android' };
    expect(failureOf(served, new Error('x')).message).not.to.contain('in this package');
  });

  it('says so when a file is for another architecture', () => {
    const file = put('build/Release', elf(62));
    expect(failureOf(search, new Error('cannot open')).message).to.contain(
      `${file}: compiled for x64, and this Node is arm64 (cannot open)\n`,
    );
    put('build/Release', elf(183));
    expect(failureOf(search, new Error('cannot open')).message).to.contain(`${file}: cannot open\n`);
  });

  it('quotes a folder with white space in the command', () => {
    const spaced = { ...search, root: path.join(root, 'my packages') };
    expect(failureOf(spaced, new Error('x')).message).to.contain(`\`npm run build --prefix "${spaced.root}"\``);
  });

  it('blames LLAMA_GUARD_ADDON_DIR for what it hides', () => {
    put('prebuilds/linux-arm64', elf(183));
    const { message } = failureOf({ ...search, overrideDir: 'other' }, new Error('x'));
    expect(message).to.contain(`${path.join(root, 'other/llama_guard.node')}: no such file\n`);
    expect(message).to.contain('`unset LLAMA_GUARD_ADDON_DIR`').and.not.to.contain('npm run build');
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
