// SPDX-License-Identifier: Apache-2.0
// Compares two models of the reference, element by element, over their different orders of rotary lanes.

import type { ReferenceModel } from './model.js';

/** A q or k matrix that pairs halves of a head, reordered to pair neighbours. */
function toInterleaved(matrix: Float64Array, k: number, headDim: number): Float64Array {
  const result = new Float64Array(matrix.length);
  for (let row = 0; row < matrix.length / k; row++) {
    const lane = row % headDim;
    const from = row - lane + (lane % 2) * (headDim / 2) + Math.floor(lane / 2);
    result.set(matrix.subarray(from * k, (from + 1) * k), row * k);
  }
  return result;
}

/** Names of the matrices of `interleaved` that are not those of `half`, a model in the order of Hugging Face. */
export function compareModels(interleaved: ReferenceModel, half: ReferenceModel): string[] {
  const different: string[] = [];
  const compare = (name: string, a: Float64Array, b: Float64Array): void => {
    if (a.length !== b.length || a.some((value, i) => value !== b[i])) different.push(name);
  };
  const { hiddenSize, headDim } = half.dims;
  interleaved.layers.forEach((layer, i) => {
    const other = half.layers[i]!;
    for (const name of Object.keys(layer) as (keyof typeof layer)[]) {
      const turned = name === 'wq' || name === 'wk';
      compare(`layers.${i}.${name}`, layer[name], turned ? toInterleaved(other[name], hiddenSize, headDim) : other[name]);
    }
  });
  for (const name of ['embedding', 'norm', 'output'] as const) compare(name, interleaved[name], half[name]);
  // The container holds the frequencies as f32.
  compare('ropeFrequencies', interleaved.ropeFrequencies, half.ropeFrequencies.map(Math.fround));
  return different;
}
