// SPDX-License-Identifier: Apache-2.0
// The tile instructions of AMX in machine code, on a CPU that has them or under the emulator: results by the manual's
// formulas, and that each thread has tiles of its own.

import { expect } from 'chai';

import { execute } from './machine-code.js';
import { type TileShape, configuration, configure, full, memoryOf, place, stride, tilesEmulated, tilesRun } from './tiles.js';

const shapes: readonly TileShape[] = [...Array(8).keys()].map((i) => ({ rows: 1 + ((5 * i) % 16), rowBytes: 4 + ((28 * i) % 64) }));

/** Copies a tile of that shape within the memory, by rows of `stride`. */
function copyTile(memory: Uint8Array, { rows, rowBytes }: TileShape, from: number, to: number): void {
  for (let row = 0; row < rows; row++) {
    memory.copyWithin(to + row * stride, from + row * stride, from + row * stride + rowBytes);
  }
}

/** The byte as an instruction reads it whose name says s (signed) or u (unsigned). */
function read(byte: number, sign: string): number {
  return sign === 's' ? (byte << 24) >> 24 : byte;
}

/** Adds to each dword [i][j] of the tile at place.c the products of row i at place.a and column j at place.b. */
function product(memory: Uint8Array, [sums, a]: readonly TileShape[], signs: string): void {
  const view = new DataView(memory.buffer);
  for (let i = 0; i < sums!.rows; i++) {
    for (let j = 0; j < sums!.rowBytes; j += 4) {
      const at = place.c + i * stride + j;
      let sum = view.getInt32(at, true);
      for (let k = 0; k < a!.rowBytes; k++) {
        const left = read(memory[place.a + i * stride + k]!, signs[0]!);
        const right = read(memory[place.b + (k >> 2) * stride + j + (k % 4)]!, signs[1]!);
        sum += left * right;
      }
      view.setInt32(at, sum, true);
    }
  }
}

function expectMemory(found: Uint8Array, expected: Uint8Array, what: string): void {
  const at = found.findIndex((byte, i) => byte !== expected[i]);
  expect(at, `${what}: byte ${at} is ${found[at]}, expected ${expected[at]}`).to.equal(-1);
}

describe(`tile instructions of AMX in machine code${tilesEmulated ? ' (emulated)' : ''}`, () => {
  if (!tilesRun) {
    it.skip('need AMX or the emulator, and an assembler');
    return;
  }

  it('a configuration is stored as it was loaded, and as zeros where there is none', () => {
    const config = configuration([...shapes.slice(0, 6), { rows: 0, rowBytes: 0 }, { rows: 3, rowBytes: 6 }], { startRow: 3 });
    const memory = memoryOf('configuration', config);
    const found = execute(
      `sttilecfg 4096(%rdi)
      ldtilecfg (%rdi)
      sttilecfg 4160(%rdi)
      tilerelease
      sttilecfg 4224(%rdi)
      ldtilecfg (%rdi)
      ldtilecfg 64(%rdi)
      sttilecfg 4288(%rdi)
      ret`,
      memory,
    );
    memory.fill(0, 4096, 4096 + 256);
    memory.set(config, 4160);
    expectMemory(found, memory, 'configurations');
  });

  it('every tile is loaded and stored, the configured bytes and no others', () => {
    for (const [tile, shape] of shapes.entries()) {
      for (const load of ['tileloadd', 'tileloaddt1']) {
        const memory = memoryOf(`load ${tile}`, configuration(shapes));
        const found = execute(
          `${configure}${load} ${place.a}(%rdi,%rcx,1), %tmm${tile}
          shr $3, %rcx
          lea ${place.out - 128}(%rdi), %r8
          tilestored %tmm${tile}, 128(%r8,%rcx,8)
          ret`,
          memory,
        );
        copyTile(memory, shape, place.a, place.out);
        expectMemory(found, memory, `${load} of tile ${tile}`);
      }
    }
  });

  it('without an index all rows lie at one place; with a negative one they go backwards', () => {
    const memory = memoryOf('strides', configuration(full));
    const found = execute(
      `${configure}tileloadd ${place.a}(%rdi), %tmm0
      tilestored %tmm0, ${place.out}(%rdi,%rcx,1)
      neg %rcx
      tileloadd ${place.b + 15 * stride}(%rdi,%rcx,1), %tmm1
      neg %rcx
      tilestored %tmm1, ${place.c}(%rdi,%rcx,1)
      ret`,
      memory,
    );
    for (let row = 0; row < 16; row++) {
      memory.copyWithin(place.out + row * stride, place.a, place.a + 64);
      memory.copyWithin(place.c + row * stride, place.b + (15 - row) * stride, place.b + (15 - row) * stride + 64);
    }
    expectMemory(found, memory, 'strides');
  });

  it('a first row that is configured holds for loads and stores', () => {
    const memory = memoryOf('first row', configuration(full, { startRow: 5 }));
    const found = execute(
      `${configure}tileloadd ${place.a}(%rdi,%rcx,1), %tmm0
      tilestored %tmm0, ${place.out}(%rdi,%rcx,1)
      ldtilecfg (%rdi)
      tilestored %tmm0, ${place.c}(%rdi,%rcx,1)
      ret`,
      memory,
    );
    const zeros = new Uint8Array(64);
    for (let row = 0; row < 16; row++) {
      memory.set(row < 5 ? zeros : memory.slice(place.a + row * stride, place.a + row * stride + 64), place.out + row * stride);
      if (row >= 5) memory.set(zeros, place.c + row * stride);
    }
    expectMemory(found, memory, 'first row');
  });

  const transfers = [`tileloadd ${place.b}(%rdi,%rcx,1), %tmm3`, `tilestored %tmm3, ${place.b}(%rdi,%rcx,1)`];
  for (const first of ['tilezero %tmm3', 'tdpbuud %tmm5, %tmm4, %tmm3', ...transfers]) {
    it(`a first row that is configured is past after ${first.split(' ')[0]}`, () => {
      const memory = memoryOf('past', configuration(full, { startRow: 5 }));
      memory.fill(0, place.b, place.c);
      const found = execute(
        `${configure}${first}\ntileloadd ${place.a}(%rdi,%rcx,1), %tmm0\ntilestored %tmm0, ${place.out}(%rdi,%rcx,1)\nret`,
        memory,
      );
      copyTile(memory, full[0]!, place.a, place.out);
      expectMemory(found, memory, first);
    });
  }

  it('tilezero clears one tile, ldtilecfg all', () => {
    const memory = memoryOf('zero', configuration(full));
    const store = (tile: number, at: number) => `tilestored %tmm${tile}, ${at}(%rdi,%rcx,1)\n`;
    const load = [1, 2].map((tile) => `tileloadd ${place.a}(%rdi,%rcx,1), %tmm${tile}\n`).join('');
    const found = execute(
      `${configure}${load}tilezero %tmm1\n${store(1, place.b)}${store(2, place.c)}ldtilecfg (%rdi)\n${store(2, place.out)}ret`,
      memory,
    );
    for (let row = 0; row < 16; row++) {
      for (const at of [place.b, place.out]) memory.fill(0, at + row * stride, at + row * stride + 64);
    }
    copyTile(memory, { rows: 16, rowBytes: 64 }, place.a, place.c);
    expectMemory(found, memory, 'zeros');
  });

  /** m, n and k of products, k in dwords. */
  const products = [[16, 16, 16], [2, 5, 3], [1, 1, 1], [16, 1, 7], [1, 16, 8], [13, 11, 16]];
  for (const signs of ['ss', 'su', 'us', 'uu']) {
    it(`tdpb${signs}d: sums of products, twice, modulo 2^32`, () => {
      for (const [m, n, k] of products) {
        const operands = [{ rows: m!, rowBytes: 4 * n! }, { rows: m!, rowBytes: 4 * k! }, { rows: k!, rowBytes: 4 * n! }];
        // Tiles 0 to 2 are not used.
        const memory = memoryOf(`product ${m} ${n} ${k}`, configuration([...full.slice(0, 3), ...operands]));
        memory.fill(128, place.a, place.a + 16);
        memory.fill(128, place.b, place.b + 16);
        memory.set([0x00, 0x00, 0x00, 0x80, 0xff, 0xff, 0xff, 0x7f], place.c);
        const found = execute(
          `${configure}tileloadd ${place.c}(%rdi,%rcx,1), %tmm3
          tileloadd ${place.a}(%rdi,%rcx,1), %tmm4
          tileloadd ${place.b}(%rdi,%rcx,1), %tmm5
          tdpb${signs}d %tmm5, %tmm4, %tmm3
          tdpb${signs}d %tmm5, %tmm4, %tmm3
          tilestored %tmm3, ${place.c}(%rdi,%rcx,1)
          ret`,
          memory,
        );
        product(memory, operands, signs);
        product(memory, operands, signs);
        expectMemory(found, memory, `product ${m} ${n} ${k}`);
      }
    });
  }

  it('two threads at once have tiles of their own', () => {
    const bytes = place.end;
    const memory = new Uint8Array(3 * 20480);
    for (const thread of [0, 1]) {
      const shape = { rows: 16 - 7 * thread, rowBytes: 64 - 16 * thread };
      memory.set(memoryOf(`thread ${thread}`, configuration([shape, ...full.slice(1)])), thread * bytes);
    }
    const meet = (name: string, at: number) => `lock incl memory+${2 * bytes + at}(%rip)
      ${name}: pause
      cmpl $2, memory+${2 * bytes + at}(%rip)
      jb ${name}\n`;
    const found = execute(
      `imul $${bytes}, %rsi
      add %rsi, %rdi
      ${configure}${meet('configured', 0)}tileloadd ${place.a}(%rdi,%rcx,1), %tmm0
      ${meet('loaded', 4)}tilestored %tmm0, ${place.out}(%rdi,%rcx,1)
      ${meet('stored', 8)}tilerelease
      ret`,
      memory,
      2,
    );
    for (const thread of [0, 1]) {
      const own = memory.slice(thread * bytes, (thread + 1) * bytes);
      copyTile(own, { rows: 16 - 7 * thread, rowBytes: 64 - 16 * thread }, place.a, place.out);
      expectMemory(found.slice(thread * bytes, (thread + 1) * bytes), own, `thread ${thread}`);
    }
  });
});
