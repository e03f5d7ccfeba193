// SPDX-License-Identifier: Apache-2.0
// Which compiled tests tools/test-arm64.mjs runs under qemu, and in which order. Files are named from build/js/test,
// without .test.js; a name that ends in a slash is a folder.

/** Kernels, dispatch and the golden bits of the whole model: what every CPU model runs. */
export const core = ['native/', 'engine/golden'];

/** What says nothing about an arm64 build, and why. */
export const leftOut = {
  'compress/': 'Python',
  'tools/': 'builds, and checks of sources',
  consumers: 'the TypeScript compiler',
  'native/emulator/': 'instructions of x86-64',
};

/**
 * Seconds of processor time that a file takes under qemu, one of two at a time on the two threads of an AMD EPYC core
 * (Zen 4); those that are not named take 1 to 15, and mocha's start 4.
 */
export const seconds = {
  'engine/golden': 16,
  'tokenizer/merge': 18,
  'convert/convert-errors': 21,
  'engine/cancel': 22,
  'prompt/windows': 23,
  'convert/convert': 26,
  'engine/kv-export': 31,
  'tokenizer/split': 38,
  'facade/snapshots': 43,
  'kv-cache/snapshot-engine': 49,
  'engine/kv-map': 56,
  'facade/batch': 58,
  'facade/windows': 67,
  'cli/help': 77,
  'facade/per-category': 86,
  'facade/streaming/moderation-stream': 87,
  'cli/check-bulk': 148,
  'facade/lifecycle': 157,
  'facade/process-end': 209,
  'facade/equal-bits': 663,
  // Not measured to their end; estimates.
  'tokenizer/prepared': 60,
  'tokenizer/tokenizer': 60,
  'tokenizer/oracles': 150,
  'cli/doctor': 150,
  'cli/commands': 400,
  'cli/check': 600,
  'engine/batch': 600,
  'engine/contract': 900,
  'soak/soak': 1200,
  'engine/heldout': 3600,
};
const ofOthers = 5;

const isIn = (file) => (name) => (name.endsWith('/') ? file.startsWith(name) : file === name);

/**
 * The work for one CPU model: `jobs`, each the files of one process and the seconds that they should take, and
 * `leftOut`, lines that say what is left out and why. Kernels and golden bits come first, then the cheapest, so that
 * most runs before the time is up. Cheap files share a process with others of their folder.
 */
export function plan(files, { whole }) {
  const reasonOf = (file) => leftOut[Object.keys(leftOut).find(isIn(file))];
  const never = files.filter((file) => reasonOf(file) !== undefined);
  const first = files.filter((file) => core.some(isIn(file)) && !never.includes(file));
  const others = files.filter((file) => !first.includes(file) && !never.includes(file));
  return {
    jobs: [...jobsOf(first), ...(whole ? jobsOf(others) : [])],
    leftOut: whole ? never.map((file) => `${file} (${reasonOf(file)})`) : [],
  };
}

function jobsOf(files) {
  const jobs = new Map();
  for (const file of files) {
    const folder = file.slice(0, file.lastIndexOf('/') + 1);
    const name = file in seconds || folder === '' ? file : folder;
    const job = jobs.get(name) ?? { name, files: [], seconds: 0 };
    job.files.push(file);
    job.seconds += seconds[file] ?? ofOthers;
    jobs.set(name, job);
  }
  return [...jobs.values()].sort((a, b) => a.seconds - b.seconds);
}
