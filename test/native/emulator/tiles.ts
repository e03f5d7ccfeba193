// SPDX-License-Identifier: Apache-2.0
// What programs of tile instructions have in common.

import { canRun, emulatedIsas, lab } from '../lab.js';
import { Random } from '../random.js';
import { assemblers } from './assembler.js';

/** Tile instructions need nothing of the CPU, so that they run where anything is emulated. */
export const tilesEmulated = emulatedIsas.length > 0 && !lab.isas().some(({ name, supported }) => name === 'amx' && supported);

/** Whether such programs can run in this process, on the CPU or emulated. */
export const tilesRun = assemblers.length > 0 && lab.execute !== undefined && (tilesEmulated || canRun('amx'));

export interface TileShape {
  readonly rows: number;
  readonly rowBytes: number;
}

/** Places in a program's memory, of a page each. */
export const place = { configuration: 0, a: 4096, b: 8192, c: 12288, out: 16384, end: 20480 };
export const stride = 80;

/** What ldtilecfg takes for tiles of these shapes, the first as tile 0. */
export function configuration(shapes: readonly TileShape[], { palette = 1, startRow = 0 } = {}): Uint8Array {
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  bytes.set([palette, startRow]);
  for (const [tile, { rows, rowBytes }] of shapes.entries()) {
    view.setUint16(16 + 2 * tile, rowBytes, true);
    bytes[48 + tile] = rows;
  }
  return bytes;
}

/** Memory of a program: a page that holds the configuration, then random bytes. */
export function memoryOf(label: string, config: Uint8Array): Uint8Array {
  const random = new Random(label);
  const memory = Uint8Array.from({ length: place.end }, () => random.word());
  memory.fill(0, 0, 4096);
  memory.set(config, place.configuration);
  return memory;
}

/** All tiles at their largest. */
export const full: readonly TileShape[] = Array<TileShape>(8).fill({ rows: 16, rowBytes: 64 });

/** How programs begin: rcx is the stride. */
export const configure = `mov $${stride}, %ecx\nldtilecfg (%rdi)\n`;
