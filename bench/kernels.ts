// SPDX-License-Identifier: Apache-2.0
// npm run bench:kernels -- [--filter text] [--isa name] [--seconds s] [--json]
// Times every kernel on one thread. `benchmark` drives the sampling; the timed loop itself is C++. A kernel is timed
// only after its result had the scalar kernel's bits. bench/README.md says how to read the figures.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';

import Benchmark from 'benchmark';

import { expectSameBits } from '../test/native/compare.js';
import { type KernelLine, type KernelOutputs, lab } from '../test/native/lab.js';
import { type BenchShape, shapes } from './kernel-shapes.js';

interface Result {
  readonly kernel: string;
  readonly shape: string;
  readonly samples: number;
  /** Median time of one call. */
  readonly microseconds: number;
  /** Half the distance between the quartiles, as a share of the median. */
  readonly spread: number;
  readonly gigaOps: number | undefined;
  readonly gigabytesPerSecond: number;
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
  },
});

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

function measure(kernel: KernelLine, shape: BenchShape, loop: (iterations: number) => number): Result {
  const once = Math.max(loop(1), loop(1));
  const iterations = Math.max(1, Math.ceil(loopSeconds / once));
  const bench = new Benchmark(kernel.name, () => loop(iterations), { maxTime: Number(options.seconds), minSamples: 5 });
  bench.run();
  const sorted = bench.stats.sample.map((seconds) => seconds / iterations).sort((a, b) => a - b);
  const median = quantile(sorted, 0.5);
  return {
    kernel: kernel.name,
    shape: shape.label,
    samples: sorted.length,
    microseconds: median * 1e6,
    spread: (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / 2 / median,
    gigaOps: shape.operations === 0 ? undefined : shape.operations / median / 1e9,
    gigabytesPerSecond: shape.bytes / median / 1e9,
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
  return shapes.some((shape) => lab.kernels().some((kernel) => wanted(kernel, shape))) ? undefined : 'no kernel fits --filter and --isa';
}

/** The kernels that are asked for on one shape, each checked before it is timed. */
function* benchShape(shape: BenchShape): Generator<Result> {
  const lines = lab.kernels();
  const chosen = lines.filter((kernel) => wanted(kernel, shape));
  if (chosen.length === 0) return;
  const args = shape.args();
  const scalar = lines.find((kernel) => kernel.family === shape.family && kernel.isa === 'scalar')!;
  const expected: KernelOutputs = lab.run(scalar.name, args, 'front');
  for (const kernel of chosen) {
    expectSameBits(lab.run(kernel.name, args, 'front'), expected, `${kernel.name}, ${shape.label}`);
    yield measure(kernel, shape, lab.prepare(kernel.name, args));
  }
}

function attempt(read: () => string): string {
  try {
    return read().trim();
  } catch {
    return 'unknown';
  }
}

function machine() {
  const bandwidth = (threads: number) => lab.readBandwidth({ bytes: 1 << 28, threads, passes: 5 }) / 1e9;
  const threads = availableParallelism();
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    isas: lab.isas().filter((isa) => isa.compiled && isa.supported).map((isa) => isa.name),
    governor: attempt(() => readFileSync('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor', 'utf8')),
    cpus: threads,
    kernelThreads: 1,
    compiler: lab.compiler,
    node: process.version,
    commit: attempt(() => execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' })),
    readGigabytesPerSecond: { oneThread: bandwidth(1), allThreads: bandwidth(threads) },
  };
}

function line(cells: readonly string[]): string {
  const [kernel, shape, ...figures] = cells;
  return `${kernel!.padEnd(34)} ${shape!.padEnd(44)} ${figures.map((cell) => cell.padStart(9)).join(' ')}\n`;
}

function print(text: string): void {
  process.stdout.write(text);
}

function main(): void {
  const mistake = complaint();
  if (mistake !== undefined) {
    process.stderr.write(`bench:kernels: ${mistake}\n`);
    process.exitCode = 1;
    return;
  }
  const about = machine();
  if (options.json) {
    print(`${JSON.stringify({ machine: about, results: shapes.flatMap((shape) => [...benchShape(shape)]) }, undefined, 2)}\n`);
    return;
  }
  for (const [name, value] of Object.entries(about)) print(`${name}: ${typeof value === 'object' ? JSON.stringify(value) : value}\n`);
  print(`\n${line(['kernel', 'shape', 'us', '+-', 'GOP/s', 'GB/s', 'of read'])}`);
  for (const shape of shapes) {
    for (const result of benchShape(shape)) {
      const { kernel, microseconds, spread, gigaOps, gigabytesPerSecond } = result;
      const share = gigabytesPerSecond / about.readGigabytesPerSecond.oneThread;
      const figures = [microseconds.toFixed(1), `${(100 * spread).toFixed(1)} %`, gigaOps?.toFixed(1) ?? '-', gigabytesPerSecond.toFixed(1), `${(100 * share).toFixed(0)} %`];
      print(line([kernel, result.shape, ...figures]));
    }
  }
}

main();
