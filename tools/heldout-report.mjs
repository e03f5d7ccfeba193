// SPDX-License-Identifier: Apache-2.0
// Prints how the demo model and the engine do on the held-out conversations: agreement with the double-precision
// reference and with the float checkpoint, and F1, false-positive rate and AUC by language and judged role.
//
//   node tools/heldout-report.mjs [--isa NAME] [--threads N] [--all] [--store] [--checkpoint DIR]
//   node tools/heldout-report.mjs --model DIR [--conversations FILE] [--json FILE] [--isa NAME] [--threads N]
//
// --all         reads every conversation with the reference again (minutes) instead of taking its stored answers
// --store       with --all: keeps the answers in test/fixtures/heldout/reference.json
// --checkpoint  the Hugging Face folder that models/demo was made from: checks the reference itself against the float
//               answers and vectors that came with it, and the converted weights against a second rounding (minutes)
// --model       another model folder: its quality alone, on the held-out conversations or those of a JSON lines file with
//               lang, messages, label (--conversations); --json keeps the figures and P(unsafe) of each conversation

import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { fail, progress } from './common.mjs';
import { prepare } from './prepare.mjs';

const { values: options } = parseArgs({
  options: {
    isa: { type: 'string' },
    threads: { type: 'string', default: '2' },
    all: { type: 'boolean', default: false },
    store: { type: 'boolean', default: false },
    checkpoint: { type: 'string' },
    model: { type: 'string' },
    conversations: { type: 'string' },
    json: { type: 'string' },
  },
});
if (options.store && !options.all) fail('--store needs --all');
if (!options.model && (options.conversations ?? options.json) !== undefined) fail('--conversations and --json need --model');
prepare({ outputs: ['test'] });

const load = (file) => import(path.resolve('build/js', file));
const { LlamaGuard } = await load('lib/index.js');
const { demoModel, demoTokenizer, ...heldout } = await load('test/reference/heldout.js');
const { contractCases, readCases } = heldout;
const { engineContract, floatMathematics, quantizedMathematics } = await load('test/reference/decoder.js');
const { answer, quality } = await load('test/reference/verdict.js');

const cases = options.conversations === undefined ? heldout.readHeldout() : readLines(options.conversations);
const labels = heldout.labelTexts();
const percent = (x) => `${(100 * x).toFixed(2)} %`;

function readLines(file) {
  return readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
}

function printAgreement(name, a, b) {
  const { verdicts, within, median, p99, worst } = heldout.agreement(a, b);
  const distances = [median, p99, worst].map((x) => x.toExponential(1)).join(' / ');
  console.log(`| ${name} | ${a.length} | ${percent(verdicts)} | ${percent(within)} | ${distances} |`);
}

/** Quality over all conversations, and by language and judged role. */
function qualityByGroup(scores) {
  const groups = new Map([['all', []]]);
  cases.forEach(({ lang, messages, label }, i) => {
    const name = `${lang}, ${messages.at(-1).role === 'user' ? 'user' : 'agent'}`;
    for (const key of ['all', name]) {
      groups.set(key, [...(groups.get(key) ?? []), { pUnsafe: scores[i], unsafe: label === 'unsafe' }]);
    }
  });
  return new Map([...groups].map(([name, scored]) => [name, quality(scored)]));
}

function printQuality(scores) {
  console.log('\n| conversations | number | F1 | false-positive rate | AUC |\n|---|---|---|---|---|');
  for (const [name, { count, f1, falsePositiveRate, auc }] of qualityByGroup(scores)) {
    console.log(`| ${name} | ${count} | ${[f1, falsePositiveRate, auc].map((x) => x.toFixed(3)).join(' | ')} |`);
  }
}

/** P(unsafe) of each conversation by the package. */
async function judgeAll(model = demoModel) {
  const guard = await LlamaGuard.load(model, {
    threads: Number(options.threads),
    ...(options.isa === undefined ? {} : { isa: options.isa }),
  });
  const { isa, threads } = guard.info;
  console.log(`\n${os.cpus()[0]?.model ?? process.arch}, ${isa}, ${threads} thread(s), Node ${process.version}\n`);
  const scores = [];
  for (const { messages } of cases) scores.push((await guard.moderate(messages)).score);
  await guard.dispose();
  return scores;
}

/** Label logits of the reference at the verdict position, computed or stored. */
async function referenceLogits() {
  if (!options.all) return heldout.readStoredReference().logits;
  progress(`Reading ${cases.length} conversations in double precision`);
  const readings = await readCases(cases, quantizedMathematics);
  if (options.store) heldout.storeReference(readings, await readCases(contractCases(cases), engineContract));
  return readings.map((rows) => rows[1]);
}

function toPUnsafe(logits) {
  return 1 / (1 + Math.exp(logits[labels.indexOf('safe')] - logits[labels.indexOf('unsafe')]));
}

/** The reference itself: does it read the formulas as the trainer of the checkpoint did? */
async function checkReference(folder) {
  const { readModel } = await load('test/reference/pool.js');
  const { compareModels } = await load('test/reference/compare-models.js');
  const converted = readModel({ kind: 'container', folder: demoModel });
  const source = { kind: 'checkpoint', folder, labelIds: converted.labelIds };
  const differences = compareModels(converted, readModel({ ...source, group: converted.group }));
  console.log(`matrices of models/demo that differ from the reference's own rounding: ${differences.join(', ') || 'none'}`);

  const { examples } = JSON.parse(readFileSync(path.join(path.dirname(demoTokenizer), 'vectors.json'), 'utf8'));
  const vectors = await readCases(examples, floatMathematics, source);
  const distances = vectors.flatMap((rows, i) => examples[i].label_logits_at_last.map((x, j) => Math.abs(x - rows[0][j])));
  console.log(`float logits of the vectors: at most ${Math.max(...distances).toExponential(1)} away`);

  progress(`Reading ${cases.length} conversations with float weights`);
  const answers = (await readCases(cases, floatMathematics, source)).map((rows) => answer(rows, labels));
  const away = answers.map(({ pUnsafe }, i) => Math.abs(pUnsafe - cases[i].float_p_unsafe));
  const categories = answers.filter(({ topCategory }, i) => topCategory === cases[i].float_top_category).length;
  console.log(`float P(unsafe): at most ${Math.max(...away).toExponential(1)} away; ${categories} leading categories equal`);
}

/** Another model's quality, without a reference to compare it with. */
async function reportModel(model) {
  const scores = await judgeAll(model);
  printQuality(scores);
  if (options.json === undefined) return;
  const groups = Object.fromEntries(qualityByGroup(scores));
  writeFileSync(options.json, `${JSON.stringify({ model, groups, scores }, undefined, 1)}\n`);
}

/** The demo model's quality, and its agreement with reference and float checkpoint. */
async function reportDemo() {
  if (options.checkpoint !== undefined) await checkReference(options.checkpoint);
  const reference = (await referenceLogits()).map(toPUnsafe);
  const scores = await judgeAll();
  const float = cases.map((item) => item.float_p_unsafe);
  console.log('| P(unsafe) of | number | equal verdicts | within .01 | distance: median / 99 % / worst |\n|---|---|---|---|---|');
  printAgreement('package and reference', scores, reference);
  printAgreement('package and float checkpoint', scores, float);
  printAgreement('reference and float checkpoint', reference, float);
  printQuality(scores);
}

if (options.model === undefined) await reportDemo();
else await reportModel(options.model);
