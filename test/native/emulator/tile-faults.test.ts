// SPDX-License-Identifier: Apache-2.0
// Where a CPU would raise an exception, the emulator of tile instructions says so and ends the process.

import { expect } from 'chai';

import { endOfProgram } from './machine-code.js';
import { configuration, configure, full, memoryOf, place, stride, tilesEmulated, tilesRun } from './tiles.js';

/** What a CPU raises an exception for; the emulator names it before the process ends. */
interface Fault {
  readonly config?: Uint8Array;
  readonly program: string;
  readonly end: string;
}

function edited(config: Uint8Array, at: number, byte: number): Uint8Array {
  const copy = Uint8Array.from(config);
  copy[at] = byte;
  return copy;
}

function faults(): Record<string, Fault> {
  const uneven = configuration([{ rows: 2, rowBytes: 6 }]);
  const [tall, low, narrow] = [{ rows: 16, rowBytes: 64 }, { rows: 8, rowBytes: 64 }, { rows: 16, rowBytes: 32 }];
  const load = `${configure}tileloadd ${place.a}(%rdi,%rcx,1), %tmm0`;
  const store = `${configure}tilestored %tmm0, ${place.a}(%rdi,%rcx,1)`;
  const multiply = `${configure}tdpbusd %tmm2, %tmm1, %tmm0`;
  // Assemblers refuse products whose tiles are not three.
  const inBytes = (bytes: string) => `${configure}.byte ${bytes}`;
  const undefinedTile = 'SIGILL, #UD, a tile has no rows';
  const misfit = 'SIGILL, #UD, the shapes of the operands do not fit each other';
  const notThree = 'SIGILL, #UD, the operands are not three different tiles';
  const reserved = 'SIGABRT, #GP, a reserved byte of the configuration is not 0';
  const empty = 'SIGABRT, #GP, a tile has rows without bytes, or bytes without rows';
  return {
    'tilezero without a configuration': { program: 'tilezero %tmm0', end: 'SIGILL, #UD, tiles are not configured' },
    'tilezero after tilerelease': { program: `${configure}tilerelease\ntilezero %tmm0`, end: 'SIGILL, #UD, tiles are not configured' },
    'a load into a tile without rows': { config: configuration([]), program: load, end: undefinedTile },
    'a load of rows that are not whole dwords': { config: uneven, program: load, end: "SIGILL, #UD, a tile's rows are not whole dwords" },
    'a store from a row behind the tile': {
      config: configuration([tall], { startRow: 16 }), program: store, end: 'SIGILL, #UD, the first row lies behind the tile',
    },
    'a product whose rows differ': { config: configuration([low, tall, tall]), program: multiply, end: misfit },
    'a product whose columns differ': { config: configuration([tall, tall, narrow]), program: multiply, end: misfit },
    'a product whose inner sizes differ': { config: configuration([tall, narrow, tall]), program: multiply, end: misfit },
    'a product of a tile without rows': { config: configuration([tall, tall]), program: multiply, end: undefinedTile },
    'a product into its first operand': { program: inBytes('0xc4, 0xe2, 0x63, 0x5e, 0xc0'), end: notThree },
    'a product into its second operand': { program: inBytes('0xc4, 0xe2, 0x7b, 0x5e, 0xc1'), end: notThree },
    'a product of one tile and itself': { program: inBytes('0xc4, 0xe2, 0x73, 0x5e, 0xc1'), end: notThree },
    'palette 2': { config: configuration(full, { palette: 2 }), program: configure, end: 'SIGABRT, #GP, the palette is neither 0 nor 1' },
    'reserved byte 2': { config: edited(configuration(full), 2, 1), program: configure, end: reserved },
    'reserved byte 32': { config: edited(configuration(full), 32, 1), program: configure, end: reserved },
    'reserved byte 63': { config: edited(configuration(full), 63, 1), program: configure, end: reserved },
    'a tile of 17 rows': { config: configuration([{ rows: 17, rowBytes: 64 }]), program: configure, end: 'SIGABRT, #GP, a tile has more than 16 rows' },
    'a tile with rows of 65 bytes': {
      config: configuration([{ rows: 16, rowBytes: 65 }]), program: configure, end: "SIGABRT, #GP, a tile's rows have more than 64 bytes",
    },
    'a tile of rows without bytes': { config: configuration([{ rows: 1, rowBytes: 0 }]), program: configure, end: empty },
    'a tile of bytes without rows': { config: configuration([{ rows: 0, rowBytes: 4 }]), program: configure, end: empty },
    'a load beyond accessible memory': { program: `${configure}tileloadd ${place.end - 15 * stride - 63}(%rdi,%rcx,1), %tmm0`, end: 'SIGSEGV' },
  };
}

describe(`faults of tile instructions${tilesEmulated ? ' (emulated)' : ''}`, () => {
  if (!tilesRun || !tilesEmulated) {
    it.skip('need the emulator, since a CPU ends the process without a word, and an assembler');
    return;
  }

  it('a load up to the end of accessible memory is fine', () => {
    for (const rowBytes of [64, 32]) {
      const program = `${configure}tileloadd ${place.end - 15 * stride - rowBytes}(%rdi,%rcx,1), %tmm0\nret`;
      expect(endOfProgram(program, memoryOf('end', configuration([{ rows: 16, rowBytes }])))).to.equal('alive');
    }
  });

  for (const [what, { config = configuration(full), program, end }] of Object.entries(faults())) {
    it(`${what} ends the process`, () => {
      expect(endOfProgram(`${program}\nret`, memoryOf(what, config))).to.equal(end);
    });
  }
});
