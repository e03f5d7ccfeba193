// SPDX-License-Identifier: Apache-2.0
// What is asked of an addon before it is packed: on made-up descriptions, each breach of a rule is found; on libraries
// that the compilers at hand make, the description itself is right.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { expect } from 'chai';

interface DynamicSymbol {
  readonly name: string;
  readonly defined: boolean;
  readonly weak: boolean;
  readonly version: string | undefined;
}

interface Elf {
  readonly arch: string;
  readonly loadAlignments: readonly number[];
  readonly threadLocal: boolean;
  readonly needed: readonly string[];
  readonly symbols: readonly DynamicSymbol[];
}

interface CheckBinary {
  readonly targets: Readonly<Record<string, unknown>>;
  androidSymbols(text?: string): Map<string, number>;
  binaryProblems(elf: Elf, target: string, android?: ReadonlyMap<string, number>): string[];
  compareVersions(a: string, b: string): number;
  nodeSymbols(): Set<string>;
}

async function tool<T>(name: string): Promise<T> {
  return (await import(pathToFileURL(path.resolve('tools', name)).href)) as T;
}

const { androidSymbols, binaryProblems, compareVersions, nodeSymbols } = await tool<CheckBinary>('check-binary.mjs');
const { readElf } = await tool<{ readElf(file: string): Elf }>('elf.mjs');

const entry: DynamicSymbol = { name: 'napi_register_module_v1', defined: true, weak: false, version: undefined };
const uses = (name: string, version?: string): DynamicSymbol => ({ name, defined: false, weak: false, version });
const linux: Elf = {
  arch: 'x64',
  loadAlignments: [4096],
  threadLocal: true,
  needed: ['libm.so.6', 'libc.so.6'],
  symbols: [entry, uses('napi_create_double'), uses('memcpy', 'GLIBC_2.14'), uses('fmaf', 'GLIBC_2.28')],
};
const android: Elf = {
  arch: 'arm64',
  loadAlignments: [16384, 65536],
  threadLocal: false,
  needed: ['libc.so', 'libm.so'],
  symbols: [entry, uses('napi_create_double'), uses('malloc')],
};

describe('tools/check-binary.mjs', () => {
  it('finds nothing wrong with what is right', () => {
    expect(binaryProblems(linux, 'linux-x64')).to.deep.equal([]);
    expect(binaryProblems(android, 'android-arm64')).to.deep.equal([]);
  });

  const glibc: readonly [what: string, change: Partial<Elf>, said: string][] = [
    ['another architecture', { arch: 'arm64' }, 'is for arm64'],
    ['pages that are too small', { loadAlignments: [4096, 2048] }, 'a segment is aligned to 2048 bytes; pages may have 4096'],
    ['a shared C++ library', { needed: ['libstdc++.so.6', 'libc.so.6'] }, 'needs libstdc++.so.6'],
    [
      'a function of a newer glibc',
      { symbols: [entry, uses('pthread_create', 'GLIBC_2.34')] },
      'uses pthread_create of GLIBC_2.34; 2.28 is the newest allowed',
    ],
    ['a function of the C++ library', { symbols: [entry, uses('_Znwm', 'GLIBCXX_3.4')] }, 'uses _Znwm of GLIBCXX_3.4'],
    ['a function of no library', { symbols: [entry, uses('uv_run')] }, 'leaves uv_run undefined'],
    [
      'a function that Node-API 8 lacks',
      { symbols: [entry, uses('node_api_post_finalizer')] },
      'uses node_api_post_finalizer, which is not in Node-API 8',
    ],
    ['an export too many', { symbols: [entry, { ...entry, name: '_ZTI1A' }] }, 'exports _ZTI1A'],
    ['no entry point', { symbols: [] }, 'does not export napi_register_module_v1'],
  ];
  for (const [what, change, said] of glibc) {
    it(`finds ${what}`, () => expect(binaryProblems({ ...linux, ...change }, 'linux-x64')).to.deep.equal([said]));
  }

  it('lets weak symbols be absent', () => {
    const symbols = [entry, { ...uses('__gmon_start__'), weak: true }];
    expect(binaryProblems({ ...linux, symbols }, 'linux-x64')).to.deep.equal([]);
  });

  it('asks for pages of 64 KB on arm64 Linux', () => {
    const arm64 = { ...linux, arch: 'arm64' };
    expect(binaryProblems({ ...arm64, loadAlignments: [65536] }, 'linux-arm64')).to.deep.equal([]);
    expect(binaryProblems({ ...arm64, loadAlignments: [16384] }, 'linux-arm64')).to.have.lengthOf(1);
  });

  const unlisted = (name: string): string => `leaves ${name} undefined, which tools/android-symbols.txt does not list`;
  const bionic: readonly [what: string, change: Partial<Elf>, said: string][] = [
    ['segments for pages of 4 KB', { loadAlignments: [4096] }, 'a segment is aligned to 4096 bytes; pages may have 16384'],
    ['thread-local storage', { threadLocal: true }, 'has thread-local storage'],
    [
      'emulated thread-local storage',
      { symbols: [entry, uses('__emutls_get_address')] },
      'emulates thread_local (__emutls_get_address)',
    ],
    ['a shared C++ library', { needed: ['libc++_shared.so'] }, 'needs libc++_shared.so'],
    ['a function that Android got later', { symbols: [entry, uses('aligned_alloc')] }, unlisted('aligned_alloc')],
    ['the unwinder left out', { symbols: [entry, uses('_Unwind_Resume')] }, unlisted('_Unwind_Resume')],
  ];
  for (const [what, change, said] of bionic) {
    it(`finds ${what} in an addon for Android`, () => {
      expect(binaryProblems({ ...android, ...change }, 'android-arm64')).to.deep.equal([said]);
    });
  }

  it('knows the functions of Node-API 8', () => {
    expect([...nodeSymbols()]).to.include('napi_create_double').and.to.include('napi_type_tag_object');
    expect([...nodeSymbols()]).not.to.include('node_api_symbol_for').and.not.to.include('uv_run');
  });

  it('compares versions by their numbers', () => {
    const versions = ['2.28', '2.3.4', '2.4', '2.17', '2.3'];
    expect(versions.sort(compareVersions)).to.deep.equal(['2.3', '2.3.4', '2.4', '2.17', '2.28']);
    expect(compareVersions('2.4', '2.4.0')).to.equal(0);
  });
});

describe('tools/android-symbols.txt', () => {
  it('lists each symbol once, sorted, none younger than API 24', () => {
    const lines = readFileSync('tools/android-symbols.txt', 'utf8').trim().split('\n');
    const entries = lines.filter((line) => !line.startsWith('#'));
    expect(entries).to.deep.equal([...new Set(entries)].sort());
    expect([...androidSymbols().keys()]).to.have.lengthOf(entries.length);
    expect([...androidSymbols().values()].filter((level) => !(level >= 21 && level <= 24))).to.deep.equal([]);
  });

  it('refuses a symbol that it lists with a later level', () => {
    const listed = androidSymbols('# comment\nmalloc 21\naligned_alloc 28\n');
    const symbols = [entry, uses('malloc'), uses('aligned_alloc')];
    expect(binaryProblems({ ...android, symbols }, 'android-arm64', listed)).to.deep.equal([
      'uses aligned_alloc, which came with API 28; 24 is the oldest supported',
    ]);
  });
});

describe('tools/elf.mjs', () => {
  const source = `extern "C" {
    int napi_create_double(void*, double, void*);
    void free(void*);
    int napi_register_module_v1(void* a, void* b) { free(a); return napi_create_double(a, 1, b); }
    int node_api_module_get_api_version_v1() { return 8; }
    int hidden_by_the_map() { return 1; }
  }`;
  let folder: string;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'llama-guard-elf-'));
    writeFileSync(path.join(folder, 'addon.cc'), source);
    writeFileSync(path.join(folder, 'libc.c'), 'void free(void* p) { (void)p; }\n');
  });
  after(() => rmSync(folder, { recursive: true }));

  const compile = (compiler: string, ...args: string[]): void => {
    execFileSync(compiler, args, { cwd: folder, stdio: 'pipe' });
  };
  const runs = (compiler: string, ...args: string[]): boolean => spawnSync(compiler, args).status === 0;
  const exports = `-Wl,--version-script=${path.resolve('native/exports.map')}`;

  for (const [target, compiler] of [['linux-x64', 'x86_64-linux-gnu-g++'], ['linux-arm64', 'aarch64-linux-gnu-g++']] as const) {
    it(`reads a library that ${compiler} has linked`, function () {
      if (!runs(compiler, '--version')) this.skip();
      compile(compiler, '-shared', '-fPIC', exports, 'addon.cc', '-static-libstdc++', '-static-libgcc', '-o', 'addon.node');
      const elf = readElf(path.join(folder, 'addon.node'));
      expect(binaryProblems(elf, target)).to.deep.equal([]);
      const shown = elf.symbols.filter(({ defined }) => defined).map(({ name }) => name);
      expect(shown).to.have.members(['napi_register_module_v1', 'node_api_module_get_api_version_v1']);
      const first = target === 'linux-x64' ? 'GLIBC_2.2.5' : 'GLIBC_2.17';
      expect(elf.symbols.find(({ name }) => name === 'free')?.version).to.equal(first);

      compile(compiler, '-shared', '-fPIC', 'addon.cc', '-o', 'addon.node');
      expect(binaryProblems(readElf(path.join(folder, 'addon.node')), target)).to.include('exports hidden_by_the_map');
    });
  }

  it('reads a library that clang and lld have linked for Android', function () {
    const flags = ['--target=aarch64-linux-android24', '-fuse-ld=lld', '-nostdlib', '-shared', '-fPIC'];
    const links = (name: string): boolean => runs(name, ...flags, '-x', 'c++', '/dev/null', '-o', path.join(folder, 'empty.so'));
    const clang = ['clang++', 'clang++-19', 'clang++-16', 'clang++-14'].find(links);
    if (clang === undefined) return this.skip();
    compile(clang, ...flags, '-x', 'c', 'libc.c', '-Wl,-soname,libc.so', '-o', 'libc.so');
    const link = (page: number): Elf => {
      compile(clang, ...flags, exports, `-Wl,-z,max-page-size=${page}`, 'addon.cc', 'libc.so', '-o', 'addon.node');
      return readElf(path.join(folder, 'addon.node'));
    };
    expect(binaryProblems(link(16384), 'android-arm64')).to.deep.equal([]);
    expect(link(16384).needed).to.deep.equal(['libc.so']);
    expect(binaryProblems(link(4096), 'android-arm64')[0]).to.equal('a segment is aligned to 4096 bytes; pages may have 16384');
  });

  it('refuses what is no ELF file', () => {
    expect(() => readElf(path.join(folder, 'addon.cc'))).to.throw('no 64-bit ELF file');
  });
});
