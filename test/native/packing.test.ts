// SPDX-License-Identifier: Apache-2.0
// Rounding to INT4 and panel16, held against the text of docs/packing-format.md.

import { expect } from 'chai';
import * as fc from 'fast-check';

import { f, fromF16, rne } from './f32.js';
import { lab } from './lab.js';
import { Random } from './random.js';

const groups = [32, 64, 128, 256];

interface Matrix {
  readonly n: number;
  readonly k: number;
  readonly group: number;
  /** -8..7, [n][k]. */
  readonly weights: Int8Array;
  /** Stored bits, [n][k/group]: f32 for groups of 128 and more, else f16. */
  readonly scales: Uint32Array | Uint16Array;
}

function randomMatrix(label: string, { n, k, group }: { n: number; k: number; group: number }): Matrix {
  const random = new Random(label);
  const weights = Int8Array.from({ length: n * k }, () => random.integer(-8, 7));
  const count = (n * k) / group;
  const scales = group >= 128 ? new Uint32Array(count) : new Uint16Array(count);
  return { n, k, group, weights, scales: scales.map(() => random.word()) };
}

function pack({ n, k, group, weights, scales }: Matrix) {
  const values = new Uint8Array(weights.length / 2);
  for (let i = 0; i < values.length; i++) values[i] = (weights[2 * i]! + 8) | ((weights[2 * i + 1]! + 8) << 4);
  return lab.packPanels({ n, k, group, values, scales: new Uint8Array(scales.buffer) });
}

/** The three tensors as the document describes them. */
function described({ n, k, group, weights, scales }: Matrix) {
  const panels = Math.ceil(n / 16);
  const nibble = (row: number, column: number) => (row < n ? weights[row * k + column]! + 8 : 8);
  const q4 = new Uint8Array(panels * k * 8);
  for (let at = 0; at < q4.length; at++) {
    const [panel, step, byte] = [Math.floor(at / (k * 8)), Math.floor(at / 64) % (k / 8), at % 64];
    const [c, j] = [Math.floor(byte / 4), byte % 4];
    const row = 16 * panel + c;
    q4[at] = nibble(row, 8 * step + j) | (nibble(row, 8 * step + 4 + j) << 4);
  }
  const cells = Array.from({ length: (panels * 16 * k) / group }, (_, at) => {
    const [panel, g] = [Math.floor(at / 16 / (k / group)), Math.floor(at / 16) % (k / group)];
    return { row: 16 * panel + (at % 16), g };
  });
  const sum = (row: number, g: number) => weights.subarray(row * k + g * group, row * k + (g + 1) * group).reduce((a, b) => a + b, 0);
  return {
    q4,
    sums: cells.map(({ row, g }) => (row < n ? sum(row, g) : 0)),
    scales: cells.map(({ row, g }) => (row < n ? scales[row * (k / group) + g]! : 0)),
  };
}

describe('panel16', () => {
  for (const group of groups) {
    it(`is byte for byte as documented, padded rows included, group ${group}`, () => {
      for (const n of [1, 15, 16, 17, 33]) {
        for (const k of [group, 3 * group]) {
          const matrix = randomMatrix(`panel ${n} ${k} ${group}`, { n, k, group });
          const packed = pack(matrix);
          const expected = described(matrix);
          expect(Buffer.compare(packed.q4, expected.q4), `n ${n}, k ${k}`).to.equal(0);
          expect([...packed.sums]).to.deep.equal(expected.sums);
          const Stored = group >= 128 ? Uint32Array : Uint16Array;
          expect([...new Stored(packed.scales.slice().buffer)]).to.deep.equal(expected.scales);
        }
      }
    });
  }

  it('golden bytes: rows of one value, a row that counts, and padding', () => {
    // Row 0 holds -8 -7 -6 ... 7 twice; row 1 holds 7; the other 14 rows of the panel are padding.
    const weights = Int8Array.from({ length: 64 }, (_, i) => (i < 32 ? (i % 16) - 8 : 7));
    const { q4, sums, scales } = pack({ n: 2, k: 32, group: 32, weights, scales: Uint16Array.of(0x3c00, 0x4200) });
    const step = (first: string) => `${first}ffffffff${'88888888'.repeat(14)}`;
    const steps = [step('40516273'), step('c8d9eafb'), step('40516273'), step('c8d9eafb')];
    expect(Buffer.from(q4).toString('hex')).to.equal(steps.join(''));
    expect([...sums]).to.deep.equal([-16, 224, ...Array<number>(14).fill(0)]);
    expect(Buffer.from(scales).toString('hex')).to.equal(`003c0042${'0000'.repeat(14)}`);
  });

  it('gives every value back', () => {
    const shape = fc.record({ n: fc.integer({ min: 1, max: 40 }), multiple: fc.integer({ min: 1, max: 4 }), group: fc.constantFrom(...groups) });
    fc.assert(
      fc.property(shape, fc.integer(), ({ n, multiple, group }, seed) => {
        const matrix = randomMatrix(`round trip ${seed}`, { n, k: multiple * group, group });
        const { q4 } = pack(matrix);
        const back = lab.unpackPanels({ n, k: matrix.k, group, q4 });
        expect([...back.subarray(0, matrix.weights.length)]).to.deep.equal([...matrix.weights]);
        expect(back.subarray(matrix.weights.length).every((weight) => weight === 0)).to.equal(true);
      }),
      { seed: 20, numRuns: 40 },
    );
  });

  it('the row sums keep within 16 bits: -2048 to 1792', () => {
    const extreme = (value: number) => pack({ n: 1, k: 256, group: 256, weights: new Int8Array(256).fill(value), scales: new Uint32Array(1) });
    expect([extreme(-8).sums[0], extreme(7).sums[0]]).to.deep.equal([-2048, 1792]);
  });
});

/** quantizeRows on f32 values, unpacked again. */
function quantized(values: Float32Array, shape: { n: number; k: number; group: number }) {
  const out = lab.quantizeRows({ ...shape, dtype: 'F32', rows: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) });
  const weights = Int8Array.from(values, (_, i) => ((out.values[i >> 1]! >> (4 * (i % 2))) & 15) - 8);
  const scales = shape.group >= 128 ? new Float32Array(out.scales.buffer) : Float32Array.from(new Uint16Array(out.scales.buffer), fromF16);
  return { weights, scales };
}

describe('rounding to INT4', () => {
  for (const group of groups) {
    it(`follows the formula, group ${group}`, () => {
      for (const size of [1, 0.01, 1e-5, 3000]) {
        const [n, k] = [3, 2 * group];
        const x = new Random(`round ${group} ${size}`).reals(n * k, -size, size);
        const { weights, scales } = quantized(x, { n, k, group });
        for (const [g, scale] of scales.entries()) {
          const part = x.subarray(g * group, (g + 1) * group);
          const amax = part.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
          const exact = f(amax / 7.5);
          const expected = group >= 128 ? exact : fromF16(lab.f16FromF32(Float32Array.of(exact))[0]!);
          expect(scale).to.equal(expected);
          for (const [i, value] of part.entries()) {
            const weight = scale === 0 ? 0 : Math.max(-8, Math.min(7, rne(f(value / scale))));
            expect(weights[g * group + i]).to.equal(weight + 0);
          }
        }
      }
    });
  }

  it('halves go to the even value, and the range is asymmetric', () => {
    const x = new Float32Array(128);
    x.set([7.5, -7.5, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 6.5, -6.5]);
    const { weights, scales } = quantized(x, { n: 1, k: 128, group: 128 });
    expect(scales[0]).to.equal(1);
    expect([...weights.subarray(0, 10)]).to.deep.equal([7, -8, 0, 2, 2, 0, -2, -2, 6, -6]);
  });

  it('a group of zeros has scale zero and values zero', () => {
    const { weights, scales } = quantized(new Float32Array(64), { n: 1, k: 64, group: 32 });
    expect([...scales]).to.deep.equal([0, 0]);
    expect(weights.every((weight) => weight === 0)).to.equal(true);
  });

  it('f16 and bf16 rows are read as the floats that they stand for', () => {
    const halves = Uint16Array.from({ length: 64 }, (_, i) => 0x3000 + 37 * i);
    const asF32 = (values: Float32Array) => lab.quantizeRows({ n: 1, k: 64, group: 64, dtype: 'F32', rows: new Uint8Array(values.buffer) });
    const rows = new Uint8Array(halves.buffer);
    const f16 = lab.quantizeRows({ n: 1, k: 64, group: 64, dtype: 'F16', rows });
    expect(f16).to.deep.equal(asF32(Float32Array.from(halves, fromF16)));
    const bf16 = lab.quantizeRows({ n: 1, k: 64, group: 64, dtype: 'BF16', rows });
    expect(bf16).to.deep.equal(asF32(new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer)));
  });

  it('values that are not finite, or whose scale is beyond f16, are refused with their place', () => {
    const attempt = (at: number, value: number, group: number) => () => {
      const x = new Float32Array(2 * 128);
      x[at] = value;
      quantized(x, { n: 2, k: 128, group });
    };
    const code = 'ERR_LLAMA_GUARD_NON_FINITE';
    expect(attempt(130, NaN, 128)).to.throw(/row 1, column 2/).with.property('code', code);
    expect(attempt(5, -Infinity, 32)).to.throw(/row 0, column 5/).with.property('code', code);
    expect(attempt(5, 1e6, 32)).to.throw(/row 0, column 0/).with.property('code', code);
    expect(attempt(5, 1e6, 128)).not.to.throw();
  });
});
