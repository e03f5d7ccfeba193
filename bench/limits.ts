// SPDX-License-Identifier: Apache-2.0
// This machine's limits, measured in the run that they are used in, and which of them binds a kernel on a shape.

import { lab, type PeakLine } from '../test/native/lab.js';

export interface Peak {
  readonly isa: string;
  readonly type: PeakLine['type'];
  readonly gigaOps: number;
}

export interface ReadRate {
  readonly bytes: number;
  readonly gigabytesPerSecond: number;
}

/** The roof over one kernel and shape. */
export interface Roof {
  readonly name: string;
  readonly gigaOps: number;
}

export interface Work {
  readonly type: PeakLine['type'];
  readonly operations: number;
  /** Read or written at least once: the working set. */
  readonly bytes: number;
}

const passes = 5;
/** Working sets for first-level caches, second-level caches, shared caches and memory, as they are common today. */
const ladder = [16 * 2 ** 10, 512 * 2 ** 10, 8 * 2 ** 20, 256 * 2 ** 20] as const;

export function readRate(bytes: number, threads = 1): ReadRate {
  return { bytes, gigabytesPerSecond: lab.readBandwidth({ bytes, threads, passes }) / 1e9 };
}

export function readRates(threads = 1): ReadRate[] {
  return ladder.map((bytes) => readRate(bytes, threads));
}

/** From registers, for every instruction set of this machine that the lab has a loop for. */
export function peaks(threads = 1): Peak[] {
  const lines = lab.peaks().filter((peak) => peak.supported);
  return lines.map(({ isa, type }) => ({ isa, type, gigaOps: lab.measurePeak({ isa, type, threads, passes }) / 1e9 }));
}

/** The lower of two roofs: arithmetic, and memory times operations for each byte. Undefined without a peak for `isa`. */
export function roofOver(work: Work, isa: string, all: readonly Peak[], read: ReadRate): Roof | undefined {
  const peak = all.find((candidate) => candidate.isa === isa && candidate.type === work.type);
  if (peak === undefined) return undefined;
  const fed = (read.gigabytesPerSecond * work.operations) / work.bytes;
  return fed < peak.gigaOps
    ? { name: `read ${bytesText(read.bytes)}`, gigaOps: fed }
    : { name: `${peak.type} ${peak.isa}`, gigaOps: peak.gigaOps };
}

/** 52 MB as '50 MiB'. */
export function bytesText(bytes: number): string {
  const power = Math.min(3, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 2 ** (10 * power);
  return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)} ${['B', 'KiB', 'MiB', 'GiB'][power]}`;
}
