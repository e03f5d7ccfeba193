// SPDX-License-Identifier: Apache-2.0
// RoPE frequencies of a model, with Llama 3's scaling for long contexts applied. Computed once, at conversion.

import type { Llama3RopeScaling } from '../formats/hf-checkpoint.js';

export interface RopeSettings {
  readonly theta: number;
  readonly scaling: Llama3RopeScaling | undefined;
}

/** Angle per position of each of the headDim/2 pairs: in double precision, rounded to f32 at the end. */
export function ropeFrequencies(headDim: number, rope: RopeSettings): Float32Array {
  return Float32Array.from({ length: headDim / 2 }, (_, pair) => {
    const frequency = rope.theta ** ((-2 * pair) / headDim);
    return rope.scaling ? stretch(frequency, rope.scaling) : frequency;
  });
}

/** Long waves turn `factor` times slower, short ones as before, and a linear blend lies between the two. */
function stretch(frequency: number, scaling: Llama3RopeScaling): number {
  const { factor, lowFreqFactor, highFreqFactor, originalContextLength } = scaling;
  const wavelength = (2 * Math.PI) / frequency;
  if (wavelength < originalContextLength / highFreqFactor) return frequency;
  if (wavelength > originalContextLength / lowFreqFactor) return frequency / factor;
  const blend = (originalContextLength / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
  return ((1 - blend) * frequency) / factor + blend * frequency;
}
