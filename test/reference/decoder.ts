// SPDX-License-Identifier: Apache-2.0
// The Llama decoder as the formulas have it, over a given set of operators. In double precision only two things are
// rounded, because the model is defined with them: the input of each linear layer (INT8), keys and values (f16).

import type { ReferenceLayer, ReferenceModel } from './model.js';
import { quantizeRow, roundToF16 } from './numbers.js';
import { type LinearInput, type Operators, doubleOperators } from './operators.js';
import { singleOperators } from './single.js';

export interface DecoderOptions {
  /** How a linear layer sees its input: `int8` as the engine does, `float` for an unquantized model. */
  readonly activations: 'int8' | 'float';
  /** How keys and values are kept. */
  readonly kv: 'f16' | 'float';
  /** `double` for the mathematics, `single` for the engine's own sequence of f32 operations. */
  readonly arithmetic: 'double' | 'single';
}

/** The mathematics of what the engine computes. */
export const quantizedMathematics: DecoderOptions = { activations: 'int8', kv: 'f16', arithmetic: 'double' };
/** The engine's contract, bit for bit. */
export const engineContract: DecoderOptions = { activations: 'int8', kv: 'f16', arithmetic: 'single' };
/** What a float model computes. */
export const floatMathematics: DecoderOptions = { activations: 'float', kv: 'float', arithmetic: 'double' };

/** Keys and values of one layer, [position][kvHeads][headDim]. */
interface Cache {
  readonly keys: Float64Array;
  readonly values: Float64Array;
}

/** One sequence being read by one model. */
export class ReferenceDecoder {
  private readonly caches: readonly Cache[];
  private readonly ops: Operators;
  private held = 0;

  constructor(
    private readonly model: ReferenceModel,
    private readonly options: DecoderOptions,
    private readonly capacity = 1024,
  ) {
    const size = capacity * model.dims.kvHeads * model.dims.headDim;
    this.caches = model.layers.map(() => ({ keys: new Float64Array(size), values: new Float64Array(size) }));
    this.ops = options.arithmetic === 'double' ? doubleOperators : singleOperators;
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
    const logits = this.linear(this.input(last, d), output);
    const labels = output.length / d;
    return Array.from({ length: wanted }, (_, row) => logits.slice(row * labels, (row + 1) * labels));
  }

  private block(layer: ReferenceLayer, cache: Cache, x: Float64Array): Float64Array {
    const { hiddenSize: d, intermediateSize: f, heads, kvHeads, headDim } = this.model.dims;
    const normed = this.input(this.norm(x, layer.attentionNorm), d);
    const q = this.turn(this.linear(normed, layer.wq), heads * headDim);
    const k = this.turn(this.linear(normed, layer.wk), kvHeads * headDim);
    cache.keys.set(this.kept(k), this.held * kvHeads * headDim);
    cache.values.set(this.kept(this.linear(normed, layer.wv)), this.held * kvHeads * headDim);
    const attended = this.ops.attention(q, { heads, kvHeads, headDim, position: this.held, ...cache });
    const h = this.ops.residual(x, this.linear(this.input(attended, heads * headDim), layer.wo));

    const hidden = this.input(this.norm(h, layer.ffnNorm), d);
    const gated = this.ops.siluMul(this.linear(hidden, layer.gate), this.linear(hidden, layer.up));
    return this.ops.residual(h, this.linear(this.input(gated, f), layer.down));
  }

  private norm(x: Float64Array, weight: Float64Array): Float64Array {
    return this.ops.rmsNorm(x, weight, this.model.dims.rmsNormEps);
  }

  private turn(x: Float64Array, width: number): Float64Array {
    const { ropePairing: pairing, ropeFrequencies: frequencies } = this.model;
    this.ops.rope(x, { width, position: this.held, pairing, frequencies });
    return x;
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

  private linear(input: LinearInput, weights: Float64Array): Float64Array {
    return this.ops.linear(input, weights, this.model.group);
  }
}
