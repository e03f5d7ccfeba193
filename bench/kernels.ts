// SPDX-License-Identifier: Apache-2.0
// npm run bench:kernels -- [--filter text] [--isa name] [--seconds s] [--json] [--plot file]
// Times every kernel on one thread. `benchmark` drives the sampling; the timed loop itself is C++. A kernel is timed
// only after its result had the scalar kernel's bits. bench/README.md says how to read the figures.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import Benchmark from 'benchmark';

import { expectSameBits } from '../test/native/compare.js';
import { type KernelLine, type KernelOutputs, lab } from '../test/native/lab.js';
import { type BenchShape, shapes } from './kernel-shapes.js';
import { bytesText, type Peak, peaks, type ReadRate, readRate, readRates, type Roof, roofOver } from './limits.js';
import { headerText, machine } from './machine.js';
import { rooflinePage } from './roofline.js';

interface Result {
  readonly kernel: string;
  readonly isa: string;
  readonly shape: string;
  readonly samples: number;
  /** Median time of one call. */
  readonly microseconds: number;
  /** Half the distance between the quartiles, as a share of the median. */
  readonly spread: number;
  readonly operations: number;
  readonly bytes: number;
  readonly gigaOps: number;
  readonly gigabytesPerSecond: number;
  /** Undefined for kernels of an instruction set whose peak the lab does not measure: the scalar ones. */
  readonly roof: Roof | undefined;
  readonly shareOfRoof: number | undefined;
}

interface Limits {
  readonly threads: number;
  readonly peaks: readonly Peak[];
  readonly read: readonly ReadRate[];
}

/** What a loop runs at least, so that the call from JavaScript does not count. */
const loopSeconds = 0.001;
/** Scalar kernels are the reference, not the product: they are not timed on more work than this. */
const mostScalarOperations = 5e8;

const { values: options } = parseArgs({
  options: {
    filter: { type: 'string', default: '' },
    isa: { type: 'string' },
    seconds: { type: 'string', default: '0.5' },
    json: { type: 'boolean', default: false },
    plot: { type: 'string' },
  },
});

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

function time(name: string, loop: (iterations: number) => number): number[] {
  const once = Math.max(loop(1), loop(1));
  const iterations = Math.max(1, Math.ceil(loopSeconds / once));
  const bench = new Benchmark(name, () => loop(iterations), { maxTime: Number(options.seconds), minSamples: 5 });
  bench.run();
  return bench.stats.sample.map((seconds) => seconds / iterations).sort((a, b) => a - b);
}

function resultOf(kernel: KernelLine, shape: BenchShape, sorted: readonly number[], roof: Roof | undefined): Result {
  const median = quantile(sorted, 0.5);
  const gigaOps = shape.operations / median / 1e9;
  return {
    kernel: kernel.name,
    isa: kernel.isa,
    shape: shape.label,
    samples: sorted.length,
    microseconds: median * 1e6,
    spread: (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / 2 / median,
    operations: shape.operations,
    bytes: shape.bytes,
    gigaOps,
    gigabytesPerSecond: shape.bytes / median / 1e9,
    roof,
    shareOfRoof: roof && gigaOps / roof.gigaOps,
  };
}

function wanted(kernel: KernelLine, shape: BenchShape): boolean {
  if (kernel.isa === 'scalar' && shape.operations > mostScalarOperations) return false;
  const named = options.isa === undefined || kernel.isa === options.isa;
  return kernel.family === shape.family && kernel.supported && named && kernel.name.includes(options.filter);
}

/** Why the options leave nothing to time; undefined where they are fine. */
function complaint(): string | undefined {
  const named = options.isa === undefined ? undefined : lab.isas().find((isa) => isa.name === options.isa);
  if (options.isa !== undefined && !(named?.compiled && named.supported)) return `this machine cannot run '${options.isa}'`;
  if (!(Number(options.seconds) > 0)) return '--seconds must be a number above 0';
  if (options.plot !== undefined && !/\.(svg|html)$/.test(options.plot)) return '--plot takes a file that ends in .svg or .html';
  return shapes.some((shape) => lab.kernels().some((kernel) => wanted(kernel, shape))) ? undefined : 'no kernel fits --filter and --isa';
}

/** The kernels that are asked for on one shape, each checked before it is timed. */
function* benchShape(shape: BenchShape, limits: Limits): Generator<Result> {
  const lines = lab.kernels();
  const chosen = lines.filter((kernel) => wanted(kernel, shape));
  if (chosen.length === 0) return;
  const args = shape.args();
  const scalar = lines.find((kernel) => kernel.family === shape.family && kernel.isa === 'scalar')!;
  const expected: KernelOutputs = lab.run(scalar.name, args, 'front');
  for (const kernel of chosen) {
    expectSameBits(lab.run(kernel.name, args, 'front'), expected, `${kernel.name}, ${shape.label}`);
    const before = readRate(shape.bytes);
    const sorted = time(kernel.name, lab.prepare(kernel.name, args));
    const read = fasterOf(before, readRate(shape.bytes));
    yield resultOf(kernel, shape, sorted, roofOver(shape, kernel.isa, limits.peaks, read));
  }
}

/** Memory's rate drifts where others use it: what it gave just before or just after a kernel is what the kernel could have. */
function fasterOf(a: ReadRate, b: ReadRate): ReadRate {
  return a.gigabytesPerSecond > b.gigabytesPerSecond ? a : b;
}

function measureLimits(threads: number): Limits {
  return { threads, peaks: peaks(threads), read: readRates(threads) };
}

function limitsText({ threads, peaks: all, read }: Limits): string {
  const arithmetic = all.map((peak) => `${peak.type} ${peak.isa} ${peak.gigaOps.toFixed(0)} GOP/s`);
  const memory = read.map((rate) => `${bytesText(rate.bytes)} ${rate.gigabytesPerSecond.toFixed(1)} GB/s`);
  return `limits of ${threads} thread(s): ${arithmetic.join(', ')}; read ${memory.join(', ')}\n`;
}

function line(cells: readonly string[]): string {
  const [kernel, shape, ...rest] = cells;
  const limit = rest.pop()!;
  return `${kernel!.padEnd(34)} ${shape!.padEnd(44)} ${rest.map((cell) => cell.padStart(9)).join(' ')}  ${limit}\n`;
}

function print(text: string): void {
  process.stdout.write(text);
}

function resultLine(result: Result): string {
  const { kernel, shape, microseconds, spread, gigaOps, gigabytesPerSecond, roof, shareOfRoof } = result;
  const percent = (share: number, digits: number): string => `${(100 * share).toFixed(digits)} %`;
  const figures = [microseconds.toFixed(1), percent(spread, 1), gigaOps.toFixed(1), gigabytesPerSecond.toFixed(1)];
  return line([kernel, shape, ...figures, shareOfRoof === undefined ? '-' : percent(shareOfRoof, 0), roof?.name ?? '']);
}

function main(): void {
  const mistake = complaint();
  if (mistake !== undefined) {
    process.stderr.write(`bench:kernels: ${mistake}\n`);
    process.exitCode = 1;
    return;
  }
  const isas = lab.isas().filter((isa) => isa.compiled && isa.supported).map((isa) => isa.name);
  const about = { ...machine(), isas, compiler: lab.compiler, kernelThreads: 1 };
  const limits = measureLimits(1);
  const allThreads = measureLimits(about.cpus);
  const results: Result[] = [];
  if (!options.json) {
    print(`${headerText(about)}${limitsText(limits)}${limitsText(allThreads)}\n`);
    print(line(['kernel', 'shape', 'us', '+-', 'GOP/s', 'GB/s', 'of limit', 'limit']));
  }
  for (const shape of shapes) {
    for (const result of benchShape(shape, limits)) {
      results.push(result);
      if (!options.json) print(resultLine(result));
    }
  }
  if (options.json) print(`${JSON.stringify({ machine: about, limits: [limits, allThreads], results }, undefined, 2)}\n`);
  if (options.plot !== undefined) writeFileSync(options.plot, rooflinePage(options.plot, { title: about.cpu, ...limits, points: results }));
}

main();
