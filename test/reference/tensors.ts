// SPDX-License-Identifier: Apache-2.0
// A safetensors reader of the reference's own, for files that the tests trust; shares nothing with lib/formats.

import { readFileSync } from 'node:fs';

import { bf16ToNumber, f16ToNumber } from './numbers.js';

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

const decoders: Record<string, { bytes: number; read: (view: DataView, at: number) => number }> = {
  U8: { bytes: 1, read: (view, at) => view.getUint8(at) },
  I16: { bytes: 2, read: (view, at) => view.getInt16(at, true) },
  F16: { bytes: 2, read: (view, at) => f16ToNumber(view.getUint16(at, true)) },
  BF16: { bytes: 2, read: (view, at) => bf16ToNumber(view.getUint16(at, true)) },
  F32: { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
};

/** Reads tensors of one safetensors file, each as doubles. */
export class TensorFile {
  private readonly data: DataView;
  private readonly entries: Record<string, Entry>;

  constructor(path: string) {
    const file = readFileSync(path);
    const headerLength = Number(file.readBigUInt64LE(0));
    this.entries = JSON.parse(file.toString('utf8', 8, 8 + headerLength)) as Record<string, Entry>;
    this.data = new DataView(file.buffer, file.byteOffset + 8 + headerLength, file.length - 8 - headerLength);
  }

  /** All elements in order; `shape` must be what the file says. */
  read(name: string, shape: readonly number[]): Float64Array {
    const entry = this.entries[name];
    if (entry === undefined) throw new Error(`no tensor ${name}`);
    if (entry.shape.join() !== shape.join()) throw new Error(`${name} is [${entry.shape}], expected [${shape}]`);
    const { bytes, read } = decoders[entry.dtype]!;
    const [begin, end] = entry.data_offsets;
    const values = new Float64Array((end - begin) / bytes);
    for (let i = 0; i < values.length; i++) values[i] = read(this.data, begin + i * bytes);
    return values;
  }
}
