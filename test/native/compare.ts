// SPDX-License-Identifier: Apache-2.0
// Comparing results bit for bit, and with a bound. NaN equals NaN: the contract does not say which one.

import type { KernelOutputs, Operand } from './lab.js';

function same(a: Operand, b: Operand): boolean {
  if (a.length !== b.length) return false;
  if (!(a instanceof Float32Array && b instanceof Float32Array)) return a.every((value, i) => value === b[i]);
  const bitsA = new Uint32Array(a.buffer, a.byteOffset, a.length);
  const bitsB = new Uint32Array(b.buffer, b.byteOffset, b.length);
  for (let i = 0; i < a.length; i++) {
    if (bitsA[i] !== bitsB[i] && !(Number.isNaN(a[i]) && Number.isNaN(b[i]))) return false;
  }
  return true;
}

/** The positions that differ: how many, the first and the worst. */
function difference(actual: Operand, expected: Operand): string {
  if (actual.length !== expected.length) return `${actual.length} elements instead of ${expected.length}`;
  const at = [...actual.keys()].filter((i) => !Object.is(actual[i], expected[i]));
  const off = (i: number) => Math.abs(actual[i]! - expected[i]!) || Infinity;
  const worst = at.reduce((most, i) => (off(i) > off(most) ? i : most), at[0]!);
  const show = (i: number) => `[${i}] is ${actual[i]}, expected ${expected[i]}`;
  return `${at.length} of ${actual.length} differ; first ${show(at[0]!)}; worst ${show(worst)}`;
}

/** Fails unless both have the same results with the same bits. */
export function expectSameBits(actual: KernelOutputs, expected: KernelOutputs, what: string): void {
  for (const [name, values] of Object.entries(expected)) {
    const found = actual[name];
    if (found === undefined) throw new Error(`${what}: no result '${name}'`);
    if (!same(found, values)) throw new Error(`${what}: ${name}: ${difference(found, values)}`);
  }
}

/** Keeps the element that is largest against its bound. */
export class WorstElement {
  private share = 0;
  private text = 'none';

  /** Fails where |actual - expected| is above `bound`, or either is not a number. */
  add(actual: number, expected: number, bound: number, where: string): void {
    const share = Math.abs(actual - expected) / bound;
    if (share <= this.share || actual === expected) return;
    this.share = share;
    this.text = `${where}: ${actual}, expected ${expected}: off by ${Math.abs(actual - expected)}, bound ${bound}`;
    if (!(share <= 1)) throw new Error(this.text);
  }

  toString(): string {
    return `worst element at ${(100 * this.share).toFixed(0)} % of its bound: ${this.text}`;
  }
}
