// SPDX-License-Identifier: Apache-2.0
// Which kernels run on which CPU, as a table: machines are made of the feature words that Linux prints in
// /proc/cpuinfo, placed by the processor manuals' bit numbers.

import { readFileSync } from 'node:fs';

import { expect } from 'chai';

import { expectedIsa } from './families.js';
import { type CpuFeatures, type RawCpu, canRun, lab } from './lab.js';

type Word = 'leaf1Ecx' | 'leaf7Ebx' | 'leaf7Ecx' | 'leaf7Edx' | 'leaf7Sub1Eax' | 'hwcap' | 'hwcap2';

const bits: Record<string, readonly [Word, number]> = {
  fma: ['leaf1Ecx', 12], osxsave: ['leaf1Ecx', 27], avx: ['leaf1Ecx', 28], f16c: ['leaf1Ecx', 29],
  avx2: ['leaf7Ebx', 5], avx512f: ['leaf7Ebx', 16], avx512dq: ['leaf7Ebx', 17], avx512bw: ['leaf7Ebx', 30],
  avx512vl: ['leaf7Ebx', 31], avx512_vnni: ['leaf7Ecx', 11], avx_vnni: ['leaf7Sub1Eax', 4],
  amx_bf16: ['leaf7Edx', 22], amx_tile: ['leaf7Edx', 24], amx_int8: ['leaf7Edx', 25],
  asimd: ['hwcap', 1], crc32: ['hwcap', 7], atomics: ['hwcap', 8], asimdhp: ['hwcap', 10], asimddp: ['hwcap', 20],
  sve: ['hwcap', 22], i8mm: ['hwcap2', 13],
};

function raw(words: string, xcr0 = 0, tilePermission = 0): RawCpu {
  const found: Record<Word, number> = { leaf1Ecx: 0, leaf7Ebx: 0, leaf7Ecx: 0, leaf7Edx: 0, leaf7Sub1Eax: 0, hwcap: 0, hwcap2: 0 };
  for (const word of words.split(' ').filter((text) => text !== '')) {
    const [register, bit] = bits[word]!;
    found[register] += 2 ** bit;
  }
  return { ...found, xcr0, tilePermission };
}

// XCR0: what the operating system saves.
const [sse, ymm, zmm, tiles] = [0x3, 0x7, 0xe7, 0x602e7];
const haswell = 'osxsave avx fma f16c avx2';
const skylakeX = `${haswell} avx512f avx512dq avx512bw avx512vl`;
const vnni = `${skylakeX} avx512_vnni`;
const sapphireRapids = `${vnni} avx_vnni amx_bf16 amx_tile amx_int8`;
const withVnni = ['scalar', 'avx2', 'avx512vnni'];
const withBothVnni = ['scalar', 'avx2', 'avxvnni', 'avx512vnni'];
const withAmx = [...withBothVnni, 'amx'];
const withDotprod = ['scalar', 'neon', 'neon_dotprod'];
const withI8mm = [...withDotprod, 'neon_i8mm'];
const a76 = 'asimd crc32 atomics asimdhp asimddp';

interface Machine {
  readonly features: CpuFeatures;
  /** What it can run, narrowest first. */
  readonly isas: readonly string[];
}

/** `tilePermission`: 1 where the system lets this process use tiles. */
function x86(words: string, xcr0: number, isas: readonly string[], tilePermission = 0): Machine {
  return { features: lab.interpretX86(raw(words, xcr0, tilePermission)), isas };
}

function arm64(words: string, isas: readonly string[]): Machine {
  return { features: lab.interpretArm64(raw(words)), isas };
}

const machines: Record<string, Machine> = {
  'plain x86-64': x86('', 0, ['scalar']),
  'Sandy Bridge': x86('osxsave avx', ymm, ['scalar']),
  'Haswell': x86(haswell, ymm, ['scalar', 'avx2']),
  'Haswell, AVX not saved by the system': x86(haswell, sse, ['scalar']),
  'Haswell, no XSAVE': x86('avx fma f16c avx2', 0, ['scalar']),
  'a virtual machine that hides FMA': x86('osxsave avx f16c avx2', ymm, ['scalar']),
  'a virtual machine that hides F16C': x86('osxsave avx fma avx2', ymm, ['scalar']),
  'Alder Lake': x86(`${haswell} avx_vnni`, ymm, ['scalar', 'avx2', 'avxvnni']),
  'Alder Lake, AVX not saved by the system': x86(`${haswell} avx_vnni`, sse, ['scalar']),
  'a virtual machine that hides AVX2': x86('osxsave avx fma f16c avx_vnni', ymm, ['scalar']),
  'Knights Landing': x86(`${haswell} avx512f`, zmm, ['scalar', 'avx2']),
  'Skylake-X': x86(skylakeX, zmm, ['scalar', 'avx2']),
  'Cascade Lake': x86(vnni, zmm, withVnni),
  'Cascade Lake, AVX-512 not saved by the system': x86(vnni, ymm, ['scalar', 'avx2']),
  'Sapphire Rapids': x86(sapphireRapids, tiles, withAmx, 1),
  'Sapphire Rapids, no permission for tiles': x86(sapphireRapids, tiles, withBothVnni),
  'Sapphire Rapids, tiles not saved by the system': x86(sapphireRapids, 0x2e7, withBothVnni, 1),
  'Sapphire Rapids, only the configuration of tiles saved': x86(sapphireRapids, 0x202e7, withBothVnni, 1),
  'Sapphire Rapids, AVX-512 not saved by the system': x86(sapphireRapids, 0x60207, ['scalar', 'avx2', 'avxvnni'], 1),
  'a virtual machine that hides INT8 tiles': x86(`${vnni} avx_vnni amx_bf16 amx_tile`, tiles, withBothVnni, 1),
  'a virtual machine that hides tiles': x86(`${vnni} avx_vnni amx_int8`, tiles, withBothVnni, 1),
  'Zen 4': x86(vnni, 0x2e7, withVnni),
  'Zen 5': x86(`${vnni} avx_vnni`, 0x2e7, withBothVnni),
  'Cortex-A53': arm64('asimd crc32', ['scalar', 'neon']),
  'Cortex-A76': arm64(a76, withDotprod),
  'Cortex-X1': arm64(a76, withDotprod),
  'Neoverse N1': arm64(a76, withDotprod),
  'Graviton 2': arm64(a76, withDotprod),
  'Graviton 3': arm64(`${a76} sve i8mm`, withI8mm),
  'Cortex-X2': arm64(`${a76} sve i8mm`, withI8mm),
  'Apple M1': arm64(a76, withDotprod),
  'Apple M2': arm64(`${a76} i8mm`, withI8mm),
  'a virtual machine that hides dot products': arm64('asimd crc32 atomics asimdhp i8mm', ['scalar', 'neon']),
};

const compiled = lab.isas().filter((isa) => isa.compiled).map((isa) => isa.name);

describe('detection', () => {
  for (const [name, { features, isas }] of Object.entries(machines)) {
    it(`${name}: ${isas.join(', ')}`, () => {
      const supported = lab.isas(features).filter((isa) => isa.supported);
      expect(supported.map((isa) => isa.name)).to.deep.equal(isas);
      const best = isas.filter((isa) => compiled.includes(isa)).at(-1);
      expect(lab.bestIsa(features)).to.equal(best);
    });
  }

  it('this machine is what its own raw words say', () => {
    const interpret = process.arch === 'arm64' ? lab.interpretArm64 : lab.interpretX86;
    expect(lab.isas(interpret(lab.readRawCpu()))).to.deep.equal(lab.isas());
  });

  it('this binary has the instruction sets of its architecture', () => {
    const expected: Record<string, readonly string[]> = { x64: withAmx, arm64: withI8mm };
    expect(compiled).to.deep.equal(expected[process.arch] ?? ['scalar']);
  });

  if (expectedIsa !== undefined) {
    it(`this machine has ${expectedIsa}, as asked for`, () => {
      expect(compiled.filter(canRun)).to.include(expectedIsa);
    });
  }
});

describe('a forced instruction set', () => {
  const none: CpuFeatures = {};

  it('empty means the best one', () => {
    for (const { features } of Object.values(machines)) {
      expect(lab.resolveIsa('', features)).to.equal(lab.bestIsa(features));
    }
  });

  it('a supported one is taken as it is', () => {
    for (const { features, isas } of Object.values(machines)) {
      for (const isa of isas.filter((name) => compiled.includes(name))) expect(lab.resolveIsa(isa, features)).to.equal(isa);
    }
  });

  it('one that the CPU lacks, or this binary, is refused', () => {
    for (const isa of lab.isas().map(({ name }) => name).filter((name) => name !== 'scalar')) {
      expect(() => lab.resolveIsa(isa, none)).to.throw().with.property('code', 'ERR_LLAMA_GUARD_UNSUPPORTED_ISA');
    }
  });

  it('an unknown one is refused by name', () => {
    for (const name of ['abacus', 'AVX2', 'avx2 ', 'avx512']) {
      expect(() => lab.resolveIsa(name, none)).to.throw(/unknown/).with.property('code', 'ERR_LLAMA_GUARD_UNKNOWN_ISA');
    }
  });
});

/** The matmul kernel by rows: the one family that has kernels of its own for few rows. */
const matmulByRows: Record<string, Readonly<Record<number, string>>> = {
  scalar: { 1: '1x16_scalar', 2: '1x16_scalar', 3: '1x16_scalar', 16: '1x16_scalar', 256: '1x16_scalar' },
  avx2: { 1: '4x16_avx2', 2: '4x16_avx2', 3: '4x16_avx2', 16: '4x16_avx2', 256: '4x16_avx2' },
  avxvnni: { 1: '6x16_avxvnni', 2: '6x16_avxvnni', 3: '6x16_avxvnni', 16: '6x16_avxvnni', 256: '6x16_avxvnni' },
  avx512vnni: {
    1: '1x16_avx512vnni', 2: '1x16_avx512vnni', 3: '8x32_avx512vnni', 16: '8x32_avx512vnni', 256: '8x32_avx512vnni',
  },
  amx: {
    1: '1x16_avx512vnni', 2: '1x16_avx512vnni', 3: '8x32_avx512vnni', 8: '8x32_avx512vnni', 9: '32x32_amx', 256: '32x32_amx',
  },
  neon: { 1: '1x16_neon', 2: '1x16_neon', 3: '4x8_neon', 16: '4x8_neon', 256: '4x8_neon' },
  neon_dotprod: {
    1: '1x16_neon_dotprod', 2: '1x16_neon_dotprod', 3: '8x8_neon_dotprod', 16: '8x8_neon_dotprod', 256: '8x8_neon_dotprod',
  },
  neon_i8mm: {
    1: '1x16_neon_dotprod', 2: '1x16_neon_dotprod', 3: '8x8_neon_dotprod', 4: '4x16_neon_i8mm', 256: '4x16_neon_i8mm',
  },
};

/** What a family without a kernel of an instruction set takes in its place, best first. */
const covered: Record<string, readonly string[]> = {
  scalar: [],
  avx2: ['scalar'],
  avxvnni: ['avx2', 'scalar'],
  avx512vnni: ['avx2', 'scalar'],
  amx: ['avx512vnni', 'avx2', 'scalar'],
  neon: ['scalar'],
  neon_dotprod: ['neon', 'scalar'],
  neon_i8mm: ['neon_dotprod', 'neon', 'scalar'],
};

describe('selection', () => {
  for (const [isa, table] of Object.entries(matmulByRows)) {
    for (const [rows, kernel] of Object.entries(table)) {
      it(`q4q8_matmul of ${rows} rows on ${isa}: ${kernel}`, function () {
        if (!compiled.includes(isa)) return this.skip();
        expect(lab.select('q4q8_matmul', isa, Number(rows))).to.equal(`q4q8_matmul_${kernel}`);
      });
    }
  }

  it('a family gets the best kernels that the instruction set covers and that are meant for the rows', () => {
    const lines = lab.kernels();
    for (const family of new Set(lines.map((line) => line.family))) {
      for (const isa of compiled) {
        for (const rows of [1, 2, 3, 16, 256]) {
          const meant = lines.filter((line) => line.family === family && line.minRows <= rows);
          const best = [isa, ...covered[isa]!].find((name) => meant.some((line) => line.isa === name));
          const chosen = lines.find((line) => line.name === lab.select(family, isa, rows))!;
          expect(chosen.family).to.equal(family);
          expect(chosen.isa, `${family} on ${isa}`).to.equal(best);
          expect(chosen.minRows).to.be.at.most(rows);
        }
      }
    }
  });

  it('names follow the grammar family_MxN_isa, and no line stands twice', () => {
    const lines = lab.kernels();
    for (const { family, name, isa } of lines) expect(name).to.match(new RegExp(`^${family}_\\d+x\\d+_${isa}$`));
    expect(new Set(lines.map((line) => line.name)).size).to.equal(lines.length);
  });

  it('docs/dispatch.md lists every kernel', () => {
    const page = readFileSync('docs/dispatch.md', 'utf8');
    const absent = lab.kernels().filter(({ name }) => !page.includes(`\`${name}\``));
    expect(absent, 'run node tools/kernel-table.mjs').to.deep.equal([]);
  });

  it('features and the name of their best instruction set select the same', () => {
    for (const { features } of Object.values(machines)) {
      for (const rows of [1, 256]) {
        expect(lab.select('q4q8_matmul', features, rows)).to.equal(lab.select('q4q8_matmul', lab.bestIsa(features), rows));
      }
    }
  });
});
