// SPDX-License-Identifier: Apache-2.0
// The one list of C++ files: every file is on it, once, and both build files know every group of it.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

interface IsaGroup {
  readonly arch: string;
  readonly flags: readonly string[];
  readonly sources: readonly string[];
}

interface Sources {
  readonly core: readonly string[];
  readonly isa: Readonly<Record<string, IsaGroup>>;
  readonly addon: readonly string[];
  readonly lab: readonly string[];
  readonly selftest: readonly string[];
  readonly prebuilt: readonly string[];
  readonly prebuilt_wraps: readonly string[];
}

const sources = JSON.parse(readFileSync('native/sources.json', 'utf8')) as Sources;
const groups = Object.entries(sources.isa);
const { core, addon, lab, selftest, prebuilt } = sources;
const listed = [...core, ...addon, ...lab, ...selftest, ...prebuilt, ...groups.flatMap(([, group]) => group.sources)];

/** Answers for a compiler that cannot be asked which flags it takes: all groups. */
function ask(...words: string[]): string[] {
  return askWith('no-such-compiler', ...words);
}

function askWith(compiler: string, ...words: string[]): string[] {
  const env = { ...process.env, CXX: compiler };
  const output = execFileSync(process.execPath, ['tools/sources.mjs', ...words], { encoding: 'utf8', env });
  return output.split(' ').filter((word) => word !== '');
}

describe('native/sources.json', () => {
  it('lists every C++ file under native/ exactly once', () => {
    const found = readdirSync('native', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.cc'));
    expect([...listed].sort()).to.deep.equal(found.map((file) => file.split(path.sep).join('/')).sort());
  });

  it('lists nothing that is not there', () => {
    expect(listed.filter((file) => !existsSync(path.join('native', file)))).to.deep.equal([]);
  });

  it('redirects every function that has a substitute for prebuilt addons', () => {
    const text = prebuilt.map((file) => readFileSync(path.join('native', file), 'utf8')).join('');
    const substitutes = [...text.matchAll(/\b__wrap_([a-z0-9_]+)\(|LG_WRAP\([^,]+, (\w+), \(/g)].map(([, one, other]) => one ?? other);
    expect(substitutes.sort()).to.deep.equal(sources.prebuilt_wraps);
  });

  it('keeps files of an instruction set out of the files for every CPU', () => {
    const isaFile = /\/(x86_(?!64)|arm_)/;
    expect(sources.core.filter((file) => isaFile.test(file))).to.deep.equal([]);
  });

  for (const [name, group] of groups) {
    it(`has a target for ${name} in binding.gyp`, () => {
      expect(readFileSync('binding.gyp', 'utf8')).to.contain(`"target_name": "lg_${name}"`);
    });

    it(`gives the files of ${name} to ${group.arch} only`, () => {
      expect(ask('isa', name, group.arch)).to.deep.equal(group.sources.map((file) => `native/${file}`));
      expect(ask('isa', name, group.arch === 'x64' ? 'arm64' : 'x64')).to.deep.equal([]);
    });
  }

  it('leaves out a group whose flags the compiler does not know', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'llama-guard-compiler-'));
    const compiler = path.join(folder, 'g++');
    writeFileSync(compiler, '#!/bin/sh\nfor word; do [ "$word" != -mavxvnni ] || exit 1; done\n', { mode: 0o755 });
    try {
      expect(askWith(compiler, 'isa', 'avxvnni', 'x64')).to.deep.equal([]);
      expect(askWith(compiler, 'count', 'avxvnni', 'x64')).to.deep.equal(['0']);
      expect(ask('isa-defines', 'x64')).to.include('LG_HAVE_AVXVNNI=1');
      expect(askWith(compiler, 'isa-defines', 'x64')).to.deep.equal(['LG_HAVE_AVX2=1', 'LG_HAVE_AVX512VNNI=1', 'LG_HAVE_AMX=1']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('defines a macro for each group that is compiled in, and no other', () => {
    const wanted = groups.filter(([, group]) => group.arch === 'x64' && group.sources.length > 0);
    expect(ask('isa-defines', 'x64')).to.deep.equal(wanted.map(([name]) => `LG_HAVE_${name.toUpperCase()}=1`));
    expect(ask('isa-defines', 'mips')).to.deep.equal([]);
  });
});
