// SPDX-License-Identifier: Apache-2.0
// Checkpoint rows to packed INT4, chunk by chunk: read, round, pack, write. At any time one chunk is in memory.

import { LlamaGuardError, fromNative } from '../errors/index.js';
import type { HfWeight } from '../formats/hf-checkpoint.js';
import type { GroupSize } from '../loading/config.js';
import type { NativeAddon } from '../native/addon.js';
import { panelRows } from './container.js';
import { f32Bytes, findNonFinite, widen } from './floats.js';
import { type MatrixPlan, type RowChunk, readRows, wholeMatrix } from './matrix.js';

/** The two functions of the addon that conversion needs. */
export type Packer = Pick<NativeAddon, 'quantizeRows' | 'packPanels'>;

/** Where packed tensors go. */
export interface PanelTarget {
  readonly packer: Pick<Packer, 'packPanels'>;
  /** Takes a piece of a tensor that begins at byte `offset` of it; rejects to stop the conversion. */
  readonly write: (name: string, bytes: Uint8Array, offset: number) => Promise<void>;
}

/** Where converted tensors go. */
export interface QuantizeTarget extends PanelTarget {
  readonly packer: Packer;
}

/** Elements of a chunk: 8 MiB of f32, small beside the memory of the process and large beside a call's cost. */
const chunkElements = 1 << 21;

/** Quantizes a matrix into panels: `<name>.q4`, `.scales` and `.sums`. */
export async function quantizeMatrix(plan: MatrixPlan, group: GroupSize, target: QuantizeTarget): Promise<void> {
  const append = panelAppender({ name: plan.name, columns: plan.columns, group }, target);
  for await (const { chunk, first, count } of chunks(plan)) {
    await append(quantize(plan, { chunk, first, count, group }, target.packer), count);
  }
}

/** Rows as the addon's `quantizeRows` gives them. */
export type RoundedRows = ReturnType<Packer['quantizeRows']>;

/** Returns a function that packs and writes the next rows of a matrix; all but the last stretch are whole panels. */
export function panelAppender(
  { name, columns, group }: { name: string; columns: number; group: GroupSize },
  { packer, write }: PanelTarget,
): (rows: RoundedRows, count: number) => Promise<void> {
  const written = { q4: 0, scales: 0, sums: 0 };
  return async ({ values, scales }, count) => {
    const packed = packer.packPanels(values, scales, count, columns, group);
    for (const part of ['q4', 'scales', 'sums'] as const) {
      await write(`${name}.${part}`, packed[part], written[part]);
      written[part] += packed[part].length;
    }
  };
}

/** Stretches of rows, each about a chunk in size and all but the last whole panels. */
export function* rowStretches(rows: number, columns: number): Generator<{ first: number; count: number }> {
  const step = Math.max(panelRows, Math.floor(chunkElements / columns / panelRows) * panelRows);
  for (let first = 0; first < rows; first += step) yield { first, count: Math.min(step, rows - first) };
}

/** Quantizes the embedding, whose rows stay plain: `<name>.q4` and `.scales`. */
export async function quantizeEmbedding(name: string, weight: HfWeight, group: GroupSize, target: QuantizeTarget): Promise<void> {
  const plan = wholeMatrix(name, weight);
  const written = { values: 0, scales: 0 };
  for await (const { chunk, first, count } of chunks(plan)) {
    const rounded = quantize(plan, { chunk, first, count, group }, target.packer);
    await target.write(`${name}.q4`, rounded.values, written.values);
    await target.write(`${name}.scales`, rounded.scales, written.scales);
    written.values += rounded.values.length;
    written.scales += rounded.scales.length;
  }
}

/** Copies a vector as f32. */
export async function copyVector(name: string, weight: HfWeight, target: QuantizeTarget): Promise<void> {
  for await (const { chunk } of chunks(wholeMatrix(name, weight))) {
    const values = widen(chunk.bytes, chunk.dtype);
    const column = findNonFinite(values);
    if (column >= 0) throw nonFinite(weight, 0, column, values[column] as number);
    await target.write(name, f32Bytes(values), 0);
  }
}

interface PlacedChunk {
  readonly chunk: RowChunk;
  /** Its first row in the matrix. */
  readonly first: number;
  /** Its rows: a multiple of a panel's but in the last chunk. */
  readonly count: number;
}

async function* chunks(plan: MatrixPlan): AsyncGenerator<PlacedChunk> {
  for (const { first, count } of rowStretches(plan.rows, plan.columns)) {
    yield { chunk: await readRows(plan, first, count), first, count };
  }
}

function quantize(plan: MatrixPlan, { chunk, first, count, group }: PlacedChunk & { group: GroupSize }, packer: Packer) {
  try {
    return packer.quantizeRows(chunk.bytes, chunk.dtype, count, plan.columns, group);
  } catch (caught) {
    const error = fromNative(caught);
    if (!LlamaGuardError.isInstance(error) || error.code !== 'ERR_LLAMA_GUARD_NON_FINITE') throw error;
    throw explainNonFinite(plan, chunk, first) ?? scaleOverflow(plan, group, error);
  }
}

/** The addon knows a place in the chunk; people want to know the place in the checkpoint. */
function explainNonFinite(plan: MatrixPlan, chunk: RowChunk, first: number): LlamaGuardError | undefined {
  const values = widen(chunk.bytes, chunk.dtype);
  const index = findNonFinite(values);
  if (index < 0) return undefined;
  const { weight, row } = plan.rowAt(first + Math.floor(index / plan.columns));
  return nonFinite(weight, row, index % plan.columns, values[index] as number);
}

function nonFinite(weight: HfWeight, row: number, column: number, value: number): LlamaGuardError {
  return new LlamaGuardError(
    'ERR_LLAMA_GUARD_NON_FINITE',
    `Tensor ${weight.name} of ${weight.file.path} holds ${value} in row ${row}, column ${column}`,
  );
}

function scaleOverflow(plan: MatrixPlan, group: GroupSize, cause: unknown): LlamaGuardError {
  return new LlamaGuardError(
    'ERR_LLAMA_GUARD_NON_FINITE',
    `Weights of ${plan.name} are too large for the f16 scales of group ${group} (a group of 128 or 256 has f32 scales)`,
    { cause },
  );
}
