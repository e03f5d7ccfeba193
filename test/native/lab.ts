// SPDX-License-Identifier: Apache-2.0
// The kernel lab (native/lab) as TypeScript sees it, and where it is loaded from.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

import type { SelfTestLine } from '../../lib/native/addon.js';

export type Operand = Uint8Array | Int8Array | Uint16Array | Int16Array | Int32Array | Float32Array;
/** A kernel's arguments by name; what the lab does not ask for is ignored. */
export type KernelArgs = Readonly<Record<string, Operand | number | boolean>>;
export type KernelOutputs = Readonly<Record<string, Operand>>;

/** Where operands lie: at the front guard page, at the end one, or one element before the end. */
export type Placement = 'front' | 'end' | 'odd';

/** A line of a kernels.inc. */
export interface KernelLine {
  readonly family: string;
  readonly name: string;
  readonly isa: string;
  readonly minRows: number;
  /** Can run in this process, on the CPU or emulated. */
  readonly supported: boolean;
  readonly emulated: boolean;
}

/** An instruction as the emulator's decoder took it apart; registers by the numbers of their encodings. */
export interface DecodedInstruction {
  readonly name: string;
  readonly length: number;
  readonly vectorBytes: number;
  readonly reg: number;
  readonly vvvv: number;
  /** Absent where the operand is in memory. */
  readonly rm?: number;
  /** 16: the address of the next instruction; -1: none. */
  readonly base?: number;
  readonly index?: number;
  readonly scale?: number;
  readonly displacement?: number;
}

export interface RawCpu {
  readonly leaf1Ecx?: number;
  readonly leaf7Ebx?: number;
  readonly leaf7Ecx?: number;
  readonly leaf7Edx?: number;
  readonly leaf7Sub1Eax?: number;
  readonly xcr0?: number;
  /** 1 where Linux lets this process use the tiles of AMX. */
  readonly tilePermission?: number;
  readonly hwcap?: number;
  readonly hwcap2?: number;
}

export type CpuFeatures = Readonly<Record<string, boolean>>;

export interface IsaState {
  readonly name: string;
  readonly compiled: boolean;
  readonly supported: boolean;
}

export interface PeakLine {
  /** Of the kernels that it limits. */
  readonly isa: string;
  readonly type: 'int8' | 'f32';
  readonly supported: boolean;
}

export interface MatrixShape {
  readonly n: number;
  readonly k: number;
  readonly group: number;
}

export interface KernelLab {
  /** The compiler's own name of its version. */
  readonly compiler: string;
  kernels(): KernelLine[];
  select(family: string, machine: string | CpuFeatures, rows: number): string;
  run(kernel: string, args: KernelArgs, placement: Placement): KernelOutputs;
  /** A function that runs the kernel `iterations` times in C++ and returns the seconds that took. */
  prepare(kernel: string, args: KernelArgs): (iterations: number) => number;
  /** The limits of arithmetic that the lab has a loop for. */
  peaks(): PeakLine[];
  /** Operations per second of the fastest pass, from registers. */
  measurePeak(options: { isa: string; type: PeakLine['type']; threads: number; passes: number }): number;
  /** Bytes per second of the fastest pass; `bytes` are those of all threads together. */
  readBandwidth(options: { bytes: number; threads: number; passes: number }): number;
  /** Turns the emulator on; the instruction sets that it makes up for on this machine. */
  emulate(): string[];
  /** How many instructions were emulated so far. */
  emulatedInstructions(): number;
  /** What `code` begins with; undefined for all that the emulator does not know. Only where there is an emulator. */
  decode?(code: Uint8Array): DecodedInstruction | undefined;
  /**
   * Calls the program at the start of `image` as void(memory, thread), on so many threads at once; memory is what lies
   * behind the code, ends at an inaccessible page, and is returned. Only where there is an emulator.
   */
  execute?(options: { image: Uint8Array; bytes: number; codeBytes: number; threads: number }): Uint8Array;
  touch(options: { bytes: number; offset: number; placement: Placement; write?: boolean; sealed?: boolean }): {
    value: number;
    intact: boolean;
  };
  isas(features?: CpuFeatures): IsaState[];
  bestIsa(features: CpuFeatures): string;
  resolveIsa(name: string, features: CpuFeatures): string;
  interpretX86(raw: RawCpu): CpuFeatures;
  interpretArm64(raw: RawCpu): CpuFeatures;
  readRawCpu(): Required<RawCpu>;
  exp(x: Float32Array): Float32Array;
  f32FromF16(halves: Uint16Array): Float32Array;
  f16FromF32(values: Float32Array): Uint16Array;
  quantizeRows(args: MatrixShape & { rows: Uint8Array; dtype: 'F32' | 'F16' | 'BF16' }): {
    values: Uint8Array;
    scales: Uint8Array;
  };
  packPanels(args: MatrixShape & { values: Uint8Array; scales: Uint8Array }): {
    q4: Uint8Array;
    scales: Uint8Array;
    sums: Int16Array;
  };
  /** The choice of threads on a machine whose /sys and /proc lie below `root`; a quota of 0 is none. */
  topology(root: string, cpus: readonly number[]): { bigCpus: number[]; quota: number; threads: number; pinnedCpus: number[] };
  /** The self-test of the addon on a CPU with these features; `spoiled`: each family has one kernel that is wrong. */
  selfTest(options: { cpu: CpuFeatures; spoiled?: boolean }): { family: string; kernel: string; health: SelfTestLine['health'] }[];
  /**
   * Runs tasks on a pool of one thread for each cost, where a task takes `costs[thread]` ticks of a clock that is not real:
   * how many each thread did, the tick at which the last ended, and how often each task ran.
   */
  shareOut(options: { tasks: number; costs: Int32Array }): { done: Int32Array; end: number; runs: Int32Array };
  /** CPUs that each thread of a pool that keeps to `cpus` may use while it computes, and last the caller's afterwards. */
  placeThreads(options: { threads: number; cpus: Int32Array }): Int32Array[];
  /** All values, [n rounded up to 16][k]. */
  unpackPanels(args: MatrixShape & { q4: Uint8Array }): Int8Array;
}

/** Path of the lab's binary: in LLAMA_GUARD_ADDON_DIR where that is set, else in the first build folder that has it. */
export function labPath(): string {
  const override = process.env['LLAMA_GUARD_ADDON_DIR'];
  const folders = override ? [override] : ['build/Release', 'build-cmake/Release'];
  const files = folders.map((folder) => path.resolve(folder, 'kernel_lab.node'));
  const found = files.find((file) => existsSync(file));
  if (found === undefined) throw new Error(`the kernel lab is not built; looked for ${files.join(', ')}`);
  return found;
}

export const lab = createRequire(path.resolve('package.json'))(labPath()) as KernelLab;

/** LLAMA_GUARD_TEST_EMULATE=1: kernels that this CPU lacks run emulated, as far as the lab's emulator goes. */
export const emulating = process.env['LLAMA_GUARD_TEST_EMULATE'] === '1';

/** The instruction sets that run emulated in this process. */
export const emulatedIsas: readonly string[] = emulating ? lab.emulate() : [];

/** What titles end in where that instruction set runs emulated; `npm run test:emulated` looks for it. */
export function emulationMark(isa: string): string {
  return emulatedIsas.includes(isa) ? ' (emulated)' : '';
}

/** Whether kernels of that instruction set can run in this process. */
export function canRun(isa: string): boolean {
  return emulatedIsas.includes(isa) || lab.isas().some(({ name, supported }) => name === isa && supported);
}
