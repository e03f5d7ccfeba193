// SPDX-License-Identifier: Apache-2.0
// The Llama decoder in double precision, as the formulas have it. Only two things are rounded, because the engine's
// results are defined with them: the input of each linear layer (INT8) and the cached keys and values (f16).

import { matmul } from './matmul.js';
import type { ReferenceLayer, ReferenceModel } from './model.js';
import { quantizeRow, roundToF16 } from './numbers.js';
import { attention, rmsNorm, rope } from './operators.js';

export interface DecoderOptions {
  /** How a linear layer sees its input: `int8` as the engine does, `float` for an unquantized model. */
  readonly activations: 'int8' | 'float';
  /** How keys and values are kept. */
  readonly kv: 'f16' | 'float';
  /** `single` rounds the result of every operator to f32: shows how much the outcome owes to that width alone. */
  readonly results: 'double' | 'single';
}

/** What the engine computes. */
export const engineRounding: DecoderOptions = { activations: 'int8', kv: 'f16', results: 'double' };
/** What a float model computes. */
export const noRounding: DecoderOptions = { activations: 'float', kv: 'float', results: 'double' };

/** Keys and values of one layer, [position][kvHeads][headDim]. */
interface Cache {
  readonly keys: Float64Array;
  readonly values: Float64Array;
}

/** Input of linear layers: each row's values are `steps * inv`. */
interface LinearInput {
  readonly steps: Float64Array; // [rows][k]
  readonly inv: Float64Array; // [rows]
}

/** One sequence being read by one model. */
export class ReferenceDecoder {
  private readonly caches: readonly Cache[];
  private held = 0;

  constructor(
    private readonly model: ReferenceModel,
    private readonly options: DecoderOptions,
    private readonly capacity = 1024,
  ) {
    const size = capacity * model.dims.kvHeads * model.dims.headDim;
    this.caches = model.layers.map(() => ({ keys: new Float64Array(size), values: new Float64Array(size) }));
  }

  /** Forgets what follows the first `length` tokens. */
  truncate(length: number): void {
    this.held = Math.min(this.held, length);
  }

  /** Appends `tokens`; returns label logits of the last `wanted` of them. */
  forward(tokens: readonly number[], wanted: number): Float64Array[] {
    const { embedding, layers, norm, output, dims } = this.model;
    const d = dims.hiddenSize;
    if (this.held + tokens.length > this.capacity) throw new Error('the reference sequence is too short');
    let x: Float64Array = new Float64Array(tokens.length * d);
    tokens.forEach((id, row) => x.set(embedding.subarray(id * d, (id + 1) * d), row * d));
    layers.forEach((layer, i) => (x = this.block(layer, this.caches[i]!, x)));
    this.held += tokens.length;
    const last = this.norm(x.subarray((tokens.length - wanted) * d), norm);
    const logits = this.product(this.input(last, d), output);
    const labels = output.length / d;
    return Array.from({ length: wanted }, (_, row) => logits.slice(row * labels, (row + 1) * labels));
  }

  private block(layer: ReferenceLayer, cache: Cache, x: Float64Array): Float64Array {
    const { hiddenSize: d, intermediateSize: f, heads, kvHeads, headDim } = this.model.dims;
    const normed = this.input(this.norm(x, layer.attentionNorm), d);
    const q = this.turn(this.product(normed, layer.wq), heads * headDim);
    const k = this.turn(this.product(normed, layer.wk), kvHeads * headDim);
    cache.keys.set(this.kept(k), this.held * kvHeads * headDim);
    cache.values.set(this.kept(this.product(normed, layer.wv)), this.held * kvHeads * headDim);
    const attended = this.result(attention(q, { ...this.model.dims, position: this.held, ...cache }));
    const h = this.sum(x, this.product(this.input(attended, heads * headDim), layer.wo));

    const hidden = this.input(this.norm(h, layer.ffnNorm), d);
    const gate = this.product(hidden, layer.gate);
    const up = this.product(hidden, layer.up);
    const gated = this.result(gate.map((g, i) => (g / (1 + Math.exp(-g))) * up[i]!));
    return this.sum(h, this.product(this.input(gated, f), layer.down));
  }

  private norm(x: Float64Array, weight: Float64Array): Float64Array {
    return this.result(rmsNorm(x, weight, this.model.dims.rmsNormEps));
  }

  private turn(x: Float64Array, width: number): Float64Array {
    const { ropePairing: pairing, ropeFrequencies: frequencies } = this.model;
    rope(x, { width, position: this.held, pairing, frequencies });
    return this.result(x);
  }

  private sum(a: Float64Array, b: Float64Array): Float64Array {
    return this.result(a.map((x, i) => x + b[i]!));
  }

  private kept(x: Float64Array): Float64Array {
    return this.options.kv === 'f16' ? x.map((value) => roundToF16(Math.fround(value))) : x;
  }

  private input(x: Float64Array, k: number): LinearInput {
    const inv = new Float64Array(x.length / k).fill(1);
    if (this.options.activations === 'float') return { steps: x, inv };
    const steps = new Float64Array(x.length);
    for (let row = 0; row < inv.length; row++) {
      inv[row] = quantizeRow(x.subarray(row * k, (row + 1) * k), steps.subarray(row * k, (row + 1) * k));
    }
    return { steps, inv };
  }

  private product({ steps, inv }: LinearInput, weights: Float64Array): Float64Array {
    const out = matmul(steps, weights, steps.length / inv.length);
    const n = out.length / inv.length;
    return this.result(out.map((value, i) => value * inv[Math.floor(i / n)]!));
  }

  private result(x: Float64Array): Float64Array {
    return this.options.results === 'single' ? x.map(Math.fround) : x;
  }
}
