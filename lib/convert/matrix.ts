// SPDX-License-Identifier: Apache-2.0
// The matrices of a converted model as lists of checkpoint rows: which row of which tensor becomes which row here, and
// how a stretch of them is read. Nothing larger than one chunk is held.

import type { HfCheckpoint, HfWeight, WeightDType } from '../formats/hf-checkpoint.js';
import { f32Bytes, weightBytes, widen } from './floats.js';

export interface SourceRow {
  readonly weight: HfWeight;
  readonly row: number;
}

/** A matrix of the container, as rows of the checkpoint. */
export interface MatrixPlan {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  rowAt(index: number): SourceRow;
}

export interface RowChunk {
  /** [count][columns] of `dtype`, little endian. */
  readonly bytes: Uint8Array;
  readonly dtype: WeightDType;
}

/** The row of a Hugging Face q or k matrix that becomes row `index`: pairs (i, i + headDim/2) become (2i, 2i + 1). */
export function interleavedRow(index: number, headDim: number): number {
  const lane = index % headDim;
  return index - lane + (lane >> 1) + (lane & 1) * (headDim / 2);
}

/** The fused and single matrices of one layer, in the order of the container. */
export function layerMatrices(source: HfCheckpoint, layer: number): MatrixPlan[] {
  const { headDim } = source.config;
  const [q, k, v] = (['q', 'k', 'v'] as const).map((x) => source.layer(layer, `self_attn.${x}_proj.weight`)) as [HfWeight, HfWeight, HfWeight];
  const gate = source.layer(layer, 'mlp.gate_proj.weight');
  const up = source.layer(layer, 'mlp.up_proj.weight');
  return [
    {
      name: `layers.${layer}.attention.wqkv`,
      rows: q.rows + k.rows + v.rows,
      columns: q.columns,
      rowAt: (i) => {
        if (i < q.rows) return { weight: q, row: interleavedRow(i, headDim) };
        if (i < q.rows + k.rows) return { weight: k, row: interleavedRow(i - q.rows, headDim) };
        return { weight: v, row: i - q.rows - k.rows };
      },
    },
    wholeMatrix(`layers.${layer}.attention.wo`, source.layer(layer, 'self_attn.o_proj.weight')),
    {
      name: `layers.${layer}.feed_forward.w13`,
      rows: gate.rows + up.rows,
      columns: gate.columns,
      // Panels of 16 rows, by turns from gate and up.
      rowAt: (i) => ({ weight: i & 16 ? up : gate, row: (i >> 5) * 16 + (i & 15) }),
    },
    wholeMatrix(`layers.${layer}.feed_forward.w2`, source.layer(layer, 'mlp.down_proj.weight')),
  ];
}

/**
 * The rows of the head that stand for labels, in their order.
 * @throws {ERR_LLAMA_GUARD_BAD_TENSOR} the head was cut and lacks one of them
 */
export function headMatrix(source: HfCheckpoint, labelIds: readonly number[]): MatrixPlan {
  const { head } = source;
  const rows = labelIds.map((id) => source.headRow(id));
  return {
    name: 'output',
    rows: labelIds.length,
    columns: head.columns,
    rowAt: (i) => ({ weight: head, row: rows[i] as number }),
  };
}

/** A tensor as it is. */
export function wholeMatrix(name: string, weight: HfWeight): MatrixPlan {
  return { name, rows: weight.rows, columns: weight.columns, rowAt: (row) => ({ weight, row }) };
}

/** Rows `first` to `first + count` of a matrix; widened to F32 where they come from tensors of different types. */
export async function readRows(plan: MatrixPlan, first: number, count: number): Promise<RowChunk> {
  const wanted = Array.from({ length: count }, (_, i) => ({ ...plan.rowAt(first + i), at: i }));
  const types = new Set(wanted.map(({ weight }) => weight.dtype));
  const dtype = types.size === 1 ? (wanted[0] as SourceRow).weight.dtype : 'F32';
  const rowBytes = plan.columns * weightBytes[dtype];
  const bytes = new Uint8Array(count * rowBytes);
  for (const run of consecutiveRuns(wanted)) {
    const rows = await readRun(run, dtype);
    run.forEach(({ at }, i) => bytes.set(rows.subarray(i * rowBytes, (i + 1) * rowBytes), at * rowBytes));
  }
  return { bytes, dtype };
}

interface WantedRow extends SourceRow {
  /** Its place in the chunk. */
  readonly at: number;
}

/** Rows that lie beside each other in the file, to be read at once. */
function consecutiveRuns(wanted: readonly WantedRow[]): WantedRow[][] {
  const byWeight = new Map<HfWeight, WantedRow[]>();
  for (const row of wanted) {
    const rows = byWeight.get(row.weight);
    if (rows) rows.push(row);
    else byWeight.set(row.weight, [row]);
  }
  return [...byWeight.values()].flatMap((rows) => {
    rows.sort((a, b) => a.row - b.row);
    const runs: WantedRow[][] = [];
    for (const row of rows) {
      const run = runs.at(-1);
      if (run && row.row === (run.at(-1) as WantedRow).row + 1) run.push(row);
      else runs.push([row]);
    }
    return runs;
  });
}

async function readRun(run: readonly WantedRow[], dtype: WeightDType): Promise<Uint8Array> {
  const { weight, row } = run[0] as WantedRow;
  const rowBytes = weight.columns * weightBytes[weight.dtype];
  const begin = weight.begin + row * rowBytes;
  const bytes = await weight.file.readRange(begin, begin + run.length * rowBytes);
  return weight.dtype === dtype ? bytes : f32Bytes(widen(bytes, weight.dtype));
}
