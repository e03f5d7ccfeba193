// SPDX-License-Identifier: Apache-2.0
// The reference's view of a model: plain row-major matrices of doubles, wherever they came from.

export interface ReferenceDims {
  readonly layers: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly vocabSize: number;
  readonly rmsNormEps: number;
}

export interface ReferenceLayer {
  readonly attentionNorm: Float64Array; // [d]
  readonly wq: Float64Array; // [heads * headDim][d]
  readonly wk: Float64Array; // [kvHeads * headDim][d]
  readonly wv: Float64Array; // [kvHeads * headDim][d]
  readonly wo: Float64Array; // [d][heads * headDim]
  readonly ffnNorm: Float64Array; // [d]
  readonly gate: Float64Array; // [f][d]
  readonly up: Float64Array; // [f][d]
  readonly down: Float64Array; // [d][f]
}

export interface ReferenceModel {
  readonly dims: ReferenceDims;
  readonly embedding: Float64Array; // [v][d]
  readonly layers: readonly ReferenceLayer[];
  readonly norm: Float64Array; // [d]
  readonly output: Float64Array; // [labels][d]
  /** Which two lanes of a head turn together: (2i, 2i+1) or (i, i + headDim/2). */
  readonly ropePairing: 'interleaved' | 'half';
  /** Angle per position of each pair. */
  readonly ropeFrequencies: Float64Array; // [headDim/2]
  readonly labelIds: readonly number[];
  /** Inputs that share a scale in a linear layer; without INT4 rounding, 1. */
  readonly group: number;
}
