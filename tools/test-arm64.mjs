// SPDX-License-Identifier: Apache-2.0
// `npm run test:arm64`: tests the 64-bit ARM build on a machine of another kind. Cross-compiles into build-linux-arm64, takes
// an ARM node of this node's version, and runs the compiled tests under qemu: kernels and golden bits on three CPU models,
// so that every NEON level is some model's best, and on the last of them the whole suite, cheap files first, until
// `--minutes N` of it are up (default 15; 0: no limit). `--model NAME` narrows the models; a test/....test.ts the files,
// without a limit. LLAMA_GUARD_TEST_QUICK=0 runs every case of the kernel tests.

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { arm64Node } from './arm64-node.mjs';
import { plan } from './arm64-suite.mjs';
import { buildWithCmake } from './build-cmake.mjs';
import { requireTarget } from './build-cross.mjs';
import { fail, filesUnder, progress, readOr, root, works } from './common.mjs';
import { withLock } from './lock.mjs';
import { prepare } from './prepare.mjs';

const qemu = 'qemu-aarch64-static';
const compiled = 'build/js/test/';

/** The widest instruction set of each model; the tests fail unless it is there and its kernels run. */
const best = { 'cortex-a53': 'neon', 'cortex-a76': 'neon_dotprod', 'max,sve=off': 'neon_i8mm' };
const modelOfSuite = 'max,sve=off';

/** JavaScript is about fourteen times slower under qemu, and two processes share a core here. */
const slowness = 20;

/** A program that starts the ARM node on a model: for tests that start node themselves, as well. */
function emulatedNode(model) {
  const folder = path.join(root, 'build/qemu', model);
  const program = path.join(folder, 'node');
  mkdirSync(folder, { recursive: true });
  const script = `#!/bin/sh\nexec ${qemu} -cpu ${model} -L /usr/aarch64-linux-gnu '${arm64Node()}' "$@"\n`;
  writeFileSync(program, script, { mode: 0o755 });
  return program;
}

function environment(model, node) {
  return {
    LLAMA_GUARD_TEST_QUICK: '1',
    LLAMA_GUARD_TEST_RUNS: '0.25',
    ...process.env,
    LLAMA_GUARD_ADDON_DIR: 'build-linux-arm64/Release',
    LLAMA_GUARD_EXPECT_ISA: best[model] ?? '',
    LLAMA_GUARD_TEST_NODE: node,
    LLAMA_GUARD_TEST_TIMEOUTS: String(slowness),
  };
}

/** Runs mocha over the files of a job; its report and the seconds that it took. */
async function runJob({ model, node, files }, folder) {
  const output = path.join(mkdtempSync(path.join(folder, 'job-')), 'report.json');
  const reporter = ['--reporter', 'json', '--reporter-option', `output=${output}`];
  const args = ['node_modules/mocha/bin/mocha.js', ...reporter, ...files.map((file) => `${compiled}${file}.test.js`)];
  const start = performance.now();
  const child = spawn(node, args, { env: environment(model, node), stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (piece) => (text += piece));
  const end = await new Promise((resolve) => child.on('close', (code, signal) => resolve(signal ?? `exit code ${code}`)));
  const took = (performance.now() - start) / 1000;
  const report = readOr(output, undefined);
  return { took, ...(report === undefined ? brokenOff(end, text) : summaryOf(JSON.parse(report))) };
}

function summaryOf({ stats, failures, pending }) {
  return {
    passed: stats.passes,
    failures: failures.map(({ fullTitle, err }) => `${fullTitle}\n${err.stack ?? err.message}`),
    skipped: pending.map(({ fullTitle }) => fullTitle),
  };
}

/** A run without a report counts as one failure. */
function brokenOff(end, text) {
  return { passed: 0, failures: [`mocha broke off (${end})\n${text}`], skipped: [] };
}

/**
 * Runs jobs in their order, as many at a time as there are CPUs, and prints each result. None is started that is not
 * expected to end in time, at the pace of those before it. Returns the results and the jobs that were not run.
 */
async function runAll(jobs, minutes) {
  const folder = mkdtempSync(path.join(tmpdir(), 'llama-guard-arm64-'));
  const waiting = [...jobs];
  const results = [];
  const start = performance.now();
  const inTime = ({ seconds }) => {
    const expected = results.reduce((sum, { job }) => sum + job.seconds, 0);
    const pace = expected === 0 ? 1 : results.reduce((sum, { took }) => sum + took, 0) / expected;
    return minutes === 0 || (performance.now() - start) / 1000 + seconds * pace < minutes * 60;
  };
  const work = async () => {
    while (waiting.length > 0 && inTime(waiting[0])) {
      const job = waiting.shift();
      const result = { job, ...(await runJob(job, folder)) };
      results.push(result);
      print(result);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  rmSync(folder, { recursive: true });
  return { results, notRun: waiting };
}

function print({ job, took, passed, failures, skipped }) {
  const word = failures.length > 0 ? 'FAILED' : 'ok';
  const counts = `${passed} passed, ${failures.length} failed, ${skipped.length} skipped`;
  console.log(`${word}  ${job.model}  ${job.name}  ${counts}  (${took.toFixed(0)} s, expected ${job.seconds})`);
  for (const title of skipped) console.log(`    - ${title}`);
  for (const text of failures) console.log(`\n${text}\n`.replaceAll('\n', '\n    '));
}

/** The last lines are mocha's, for those who count: a file that was not run is one skipped test. */
function summarize({ results, notRun }, leftOut) {
  const late = notRun.flatMap(({ model, files }) => files.map((file) => `${model} ${file}`));
  const sum = (count) => results.reduce((total, result) => total + count(result), 0);
  const failed = results.filter(({ failures }) => failures.length > 0);
  const files = sum(({ job }) => job.files.length);
  console.log(`\n${files} files run, ${late.length} not run for want of time, ${leftOut.length} left out`);
  for (const { job } of failed) console.log(`  failed: ${job.model} ${job.name}`);
  for (const line of late) console.log(`  not run for want of time: ${line}`);
  for (const line of leftOut) console.log(`  left out: ${line}`);
  console.log(`\n  ${sum(({ passed }) => passed)} passing`);
  console.log(`  ${sum(({ skipped }) => skipped.length) + late.length + leftOut.length} pending`);
  console.log(`  ${sum(({ failures }) => failures.length)} failing`);
  return failed.length === 0 && files > 0;
}

const { values, positionals } = parseArgs({
  options: { minutes: { type: 'string', default: '15' }, model: { type: 'string', multiple: true } },
  allowPositionals: true,
});
const minutes = positionals.length > 0 ? 0 : Number(values.minutes);
if (!(minutes >= 0)) fail(`--minutes takes a number that is not negative, not ${values.minutes}`);
if (!works('aarch64-linux-gnu-g++', ['--version']) || !works(qemu, ['--version'])) {
  fail(`aarch64-linux-gnu-g++ or ${qemu} is missing: sudo apt install g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static`);
}

prepare({ native: false, outputs: ['package', 'test'] });
progress('Compiling the native addon for arm64 (cmake-js)');
withLock(() => buildWithCmake({ ...requireTarget('linux-arm64', {}), quiet: true }));

const nameOf = (file) => file.replace(/^(build\/js\/)?test\//, '').replace(/\.test\.[jt]s$/, '');
const all = filesUnder([compiled]).filter((file) => file.endsWith('.test.js')).map(nameOf);
const jobs = [];
const leftOut = [];
for (const model of values.model ?? Object.keys(best)) {
  const work = positionals.length > 0 ? { jobs: [{ name: '', files: positionals.map(nameOf), seconds: 0 }], leftOut: [] }
    : plan(all, { whole: model === modelOfSuite });
  const node = emulatedNode(model);
  jobs.push(...work.jobs.map((job) => ({ ...job, model, node })));
  leftOut.push(...work.leftOut);
}
process.exitCode = summarize(await runAll(jobs, minutes), leftOut) ? 0 : 1;
