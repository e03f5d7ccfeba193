// SPDX-License-Identifier: Apache-2.0
// Arguments of attention kernels, drawn by a case's label, with the plain keys and values that an oracle reads. Keys and
// values that no query may see are NaN.

import { f } from './f32.js';
import type { KernelArgs } from './lab.js';
import { Random } from './random.js';

const block = 64;
const nan16 = 0x7e00;

/** Positions firstPosition .. firstPosition + rows - 1 of one sequence. */
export interface Run {
  readonly firstPosition: number;
  readonly rows: number;
}

export interface Shape {
  readonly runs: readonly Run[];
  /** First blocks that all runs have in common. */
  readonly sharedBlocks?: number;
  readonly heads: number;
  readonly headDim: number;
  /** Elements between the rows of q that belong to others. */
  readonly gap?: number;
  /** Elements of a block before its keys. */
  readonly blockOffset?: number;
  readonly inPlace?: boolean;
}

/** Draws one f16 key or value, and one query element. */
export interface Draw {
  readonly half: (random: Random) => number;
  readonly query: (random: Random) => number;
}

export const ordinary: Draw = {
  half: (random) => random.pick([0, 0x8000]) + random.integer(0x2000, 0x4100),
  query: (random) => random.real(-3, 3),
};

/** f16 [position][headDim] of one run, which the oracle reads. */
export interface Plain {
  readonly keys: Uint16Array;
  readonly values: Uint16Array;
}

/** What the oracle reads of a kernel's arguments, besides q. */
interface Facts extends Required<Shape> {
  readonly plain: readonly Plain[];
}

export interface Args {
  readonly kernel: KernelArgs & { readonly q: Float32Array; readonly scale: number; readonly stride: number };
  readonly facts: Facts;
}

/** The facts behind a kernel's arguments. */
const factsOf = new WeakMap<KernelArgs, Facts>();

export function argsOf(kernel: KernelArgs): Args {
  return { kernel: kernel as Args['kernel'], facts: factsOf.get(kernel)! };
}

/** The blocks that hold positions from `from` on: { keys [headDim][64], values [64][headDim] } behind the offset. */
function blocksOf({ keys, values }: Plain, from: number, { headDim, blockOffset }: Required<Shape>): Uint16Array[] {
  const positions = keys.length / headDim;
  const result: Uint16Array[] = [];
  for (let first = from; first < positions; first += block) {
    const one = new Uint16Array(blockOffset + 2 * block * headDim).fill(nan16);
    for (let t = first; t < Math.min(first + block, positions); t++) {
      const row = values.subarray(t * headDim, (t + 1) * headDim);
      one.set(row, blockOffset + (block + t - first) * headDim);
      for (let d = 0; d < headDim; d++) one[blockOffset + d * block + t - first] = keys[t * headDim + d]!;
    }
    result.push(one);
  }
  return result;
}

function joined(parts: readonly Uint16Array[]): Uint16Array {
  const all = new Uint16Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** The kernel's arguments for queries `q` over given keys and values. */
export function assemble(facts: Facts, q: Float32Array): KernelArgs {
  const { runs, sharedBlocks, heads, headDim, gap, blockOffset, inPlace, plain } = facts;
  const shared = blocksOf(plain[0]!, 0, facts).slice(0, sharedBlocks);
  const own = plain.flatMap((one) => blocksOf(one, sharedBlocks * block, facts));
  const args: KernelArgs = {
    ...{ sharedBlocks, heads, headDim, blockOffset, inPlace, q },
    stride: heads * headDim + gap,
    scale: f(1 / Math.sqrt(headDim)),
    rows: Int32Array.from(runs, ({ rows }) => rows),
    firstPositions: Int32Array.from(runs, ({ firstPosition }) => firstPosition),
    blocks: joined([...shared, ...own]),
  };
  factsOf.set(args, facts);
  return args;
}

export const rowsOfRuns = (runs: readonly Run[]): number => runs.reduce((sum, { rows }) => sum + rows, 0);

export function makeArgs(label: string, given: Shape, draw: Draw): KernelArgs {
  const random = new Random(label);
  const shape = { sharedBlocks: 0, gap: 0, blockOffset: 0, inPlace: false, ...given };
  const { runs, sharedBlocks, heads, headDim, gap } = shape;
  const length = (rowsOfRuns(runs) - 1) * (heads * headDim + gap) + heads * headDim;
  const q = Float32Array.from({ length }, () => draw.query(random));
  const halves = (positions: number) => Uint16Array.from({ length: positions * headDim }, () => draw.half(random));
  const [keys, values] = [halves(sharedBlocks * block), halves(sharedBlocks * block)];
  const plain = runs.map(({ firstPosition, rows }) => {
    const own = firstPosition + rows - sharedBlocks * block;
    return { keys: joined([keys, halves(own)]), values: joined([values, halves(own)]) };
  });
  return assemble({ ...shape, plain }, q);
}
