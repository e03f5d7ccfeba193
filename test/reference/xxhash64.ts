// SPDX-License-Identifier: Apache-2.0
// XXH64 with seed 0 in whole numbers without bounds, written from its specification and slow.

const [prime1, prime2, prime3, prime4, prime5] = [
  11400714785074694791n, 14029467366897019727n, 1609587929392839161n, 9650029242287828579n, 2870177450012600261n,
] as const;

const wrap = (x: bigint): bigint => BigInt.asUintN(64, x);
const rotate = (x: bigint, bits: bigint): bigint => wrap((x << bits) | (wrap(x) >> (64n - bits)));
const round = (accumulator: bigint, lane: bigint): bigint => wrap(rotate(wrap(accumulator + lane * prime2), 31n) * prime1);

export function xxHash64(data: Uint8Array): bigint {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let at = 0;
  let hash: bigint = prime5;
  if (data.length >= 32) {
    let lanes = [wrap(prime1 + prime2), prime2, 0n, wrap(-prime1)];
    for (; at + 32 <= data.length; at += 32) {
      const stripe = at;
      lanes = lanes.map((lane, i) => round(lane, view.getBigUint64(stripe + 8 * i, true)));
    }
    hash = lanes.reduce((sum, lane, i) => wrap(sum + rotate(lane, [1n, 7n, 12n, 18n][i]!)), 0n);
    for (const lane of lanes) hash = wrap((hash ^ round(0n, lane)) * prime1 + prime4);
  }
  hash = wrap(hash + BigInt(data.length));
  for (; at + 8 <= data.length; at += 8) hash = wrap(rotate(hash ^ round(0n, view.getBigUint64(at, true)), 27n) * prime1 + prime4);
  for (; at + 4 <= data.length; at += 4) hash = wrap(rotate(hash ^ wrap(BigInt(view.getUint32(at, true)) * prime1), 23n) * prime2 + prime3);
  for (; at < data.length; at++) hash = wrap(rotate(hash ^ (BigInt(data[at]!) * prime5), 11n) * prime1);
  hash = wrap((hash ^ (hash >> 33n)) * prime2);
  hash = wrap((hash ^ (hash >> 29n)) * prime3);
  return hash ^ (hash >> 32n);
}
