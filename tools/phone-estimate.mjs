// SPDX-License-Identifier: Apache-2.0
// Estimates how fast phones are: compiles the NEON kernels for arm64, gives their inner loops to llvm-mca, and derives cycles
// of a multiply-accumulate and times of a call. Prints the section on phones of docs/performance.md; `--write` puts it there,
// `--check` fails when the page's section differs in more than its figures, which change with every compiler.

import { readFileSync, writeFileSync } from 'node:fs';

import { fail, isMain } from './common.mjs';
import { findCompilers } from './phone-estimate/compilers.mjs';
import { cyclesInLoop, cyclesOfAccumulate, cyclesOfPlain, passSeconds } from './phone-estimate/derive.mjs';
import * as kernels from './phone-estimate/kernels.mjs';
import { analyze, cyclesOf, findMca, mcaVersion, modelOf } from './phone-estimate/mca.mjs';
import { sectionText } from './phone-estimate/page.mjs';
import { call, phones } from './phone-estimate/phones.mjs';

const page = 'docs/performance.md';
const begin = '<!-- phones: made by tools/phone-estimate.mjs -->\n';
const end = '<!-- phones end -->\n';

/** Cores whose model is named on the page: those that phones have, and those taken for them. */
const askedCores = [
  'cortex-a53', 'cortex-a55', 'cortex-a510', 'cortex-a72', 'cortex-a73', 'cortex-a76', 'cortex-a77', 'cortex-a78', 'cortex-x1',
  'cortex-a710', 'cortex-x2', 'neoverse-n1', 'neoverse-n2', 'neoverse-v1',
];

function requireTools() {
  const mca = findMca();
  if (mca === undefined) fail('llvm-mca was not found. Install it: sudo apt install llvm-19 (any version from 15 on)');
  const compilers = findCompilers();
  if (compilers.length === 0) {
    fail('No compiler for arm64 was found. Install one: sudo apt install g++-aarch64-linux-gnu, and clang beside it');
  }
  return { mca, compilers };
}

/** A function of a core's name that measures once. */
function remembered(measure) {
  const known = new Map();
  return (core) => {
    if (!known.has(core)) known.set(core, measure(core));
    return known.get(core);
  };
}

/** For each compiler a function that gives the cycles of a product's loops on a core. */
function measuredBy(compilers, mca, product) {
  return compilers.map((compiler) => {
    const loops = kernels.productLoops(product, compiler);
    return remembered((core) => kernels.measureProduct(mca, core, loops));
  });
}

function productRows({ mca, compilers }, products) {
  const plainLoops = compilers.map((compiler) => kernels.plainLoop(compiler));
  const plainOf = (product, core, body) => {
    const plain = { cycles: cyclesOf(analyze(mca, core, body)), accumulates: kernels.plainAccumulates(body) };
    return cyclesOfPlain(plain, kernels.unpackBoundOf(mca, core, product), product.hasUnpackLoop ? call.fresh : product.rows);
  };
  return products.flatMap(({ product, measured }) => product.cores.map((core) => ({
    kernel: product.kernel,
    core,
    bound: kernels.boundOf(mca, core, product),
    loop: measured.map((measure) => cyclesInLoop(measure(core), call.fresh)),
    whole: measured.map((measure) => cyclesOfAccumulate(measure(core), product, call.fresh)),
    plain: product.isa === 'neon' ? undefined : plainLoops.map(({ body }) => plainOf(product, core, body)),
  })));
}

function singleRowRows(products) {
  return products.flatMap(({ product, measured }) => product.cores.map((core) => ({
    kernel: product.kernel,
    core,
    bytesPerCycle: measured.map((measure) => 0.5 / cyclesOfAccumulate(measure(core), product, 1)),
  })));
}

/** Passes of every phone, with the loops of the last compiler. */
function phoneRows({ mca, compilers }, many, one) {
  const others = kernels.otherLoops(compilers.at(-1));
  const other = remembered((core) => kernels.measureOthers(mca, core, others));
  const cyclesIn = (list, kernel, rows) => {
    const { product, measured } = list.find((entry) => entry.product.kernel === kernel);
    return (core) => cyclesOfAccumulate(measured.at(-1)(core), product, rows);
  };
  const rest = { attention: (core) => other(core).attention, silu: (core) => other(core).silu };
  return phones.map((phone) => {
    const pass = (tokens, kept) => passSeconds(phone, { products: cyclesIn(many, phone.many, tokens), ...rest }, tokens, kept);
    return {
      phone,
      whole: pass(call.whole, 0),
      fresh: pass(call.fresh, call.policy),
      decode: passSeconds(phone, { products: cyclesIn(one, phone.one, 1), ...rest }, 1, call.whole),
    };
  });
}

/** The section's text, from what this machine's tools say. */
function section() {
  const tools = requireTools();
  const { mca, compilers } = tools;
  const measured = (products) => products.map((product) => ({ product, measured: measuredBy(compilers, mca, product) }));
  const dotprod = kernels.products.find(({ isa }) => isa === 'neon_dotprod');
  const many = measured(kernels.products), one = measured(kernels.singleRows);
  return sectionText({
    version: mcaVersion(mca),
    compilers,
    models: Object.fromEntries(askedCores.map((core) => [core, modelOf(analyze(mca, core, ['nop']))])),
    products: productRows(tools, many),
    cautious: compilers.map((compiler) => kernels.cautiousA55(mca, kernels.productLoops(dotprod, compiler))),
    singleRows: singleRowRows(one),
    phones: phoneRows(tools, many, one),
  });
}

/** A text without what differs between compilers and versions: figures, what they reach, compilers, LLVM's models. */
export function withoutFigures(text) {
  return text
    .replace(/By estimate missed by: .*/g, '')
    .replace(/^(\| `(?:cortex|neoverse)-\w+` \|).*$/gm, '$1')
    .replace(/\((?:yes|no)\)|\b(?:memory|arithmetic)(?= \|$)/gm, '')
    .replace(/\d[\d.,]*(?: \/ \d[\d.,]*)*/g, '#')
    .replace(/(?:gcc|clang) #(?: \/ (?:gcc|clang) #)*/g, 'compilers');
}

function main(args) {
  const fresh = section();
  if (args.length === 0) {
    process.stdout.write(fresh);
    return;
  }
  const text = readFileSync(page, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) fail(`${page} lacks the two comments between which the estimates stand`);
  const updated = `${text.slice(0, from)}${begin}\n${fresh}\n${text.slice(to)}`;
  if (args.includes('--write')) writeFileSync(page, updated);
  else if (withoutFigures(updated) !== withoutFigures(text)) fail(`${page} is stale: run node tools/phone-estimate.mjs --write`);
}

if (isMain(import.meta.url)) main(process.argv.slice(2));
