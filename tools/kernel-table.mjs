// SPDX-License-Identifier: Apache-2.0
// Writes the table of kernels in docs/dispatch.md from the kernels.inc files; `--check` fails when the page is stale.
// Either way it fails when a name breaks the grammar, or a kernel's file is missing from native/sources.json.

import { readFileSync, readdirSync, writeFileSync } from 'node:fs';

import { fail, isMain } from './common.mjs';
import { readSources } from './sources.mjs';

const page = 'docs/dispatch.md';
const begin = '<!-- kernels: made by tools/kernel-table.mjs -->\n';
const end = '<!-- kernels end -->\n';

/** The lines of one kernels.inc: {family, name, isa, maxRows}. */
function readFamily(family) {
  const text = readFileSync(`native/kernels/${family}/kernels.inc`, 'utf8');
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('//'));
  return lines.map((line) => {
    const match = /^LG_KERNEL\((\w+), (\w+), (\d+)\)$/.exec(line);
    if (match === null) fail(`native/kernels/${family}/kernels.inc: cannot read '${line}'`);
    const [, isa, name, minRows] = match;
    return { family, isa, name, minRows: Number(minRows) };
  });
}

/** The listed file that defines a kernel. */
function sourceOf({ family, isa, name }, sources) {
  const listed = isa === 'scalar' ? sources.core : (sources.isa[isa]?.sources ?? []);
  const files = listed.filter((file) => file.startsWith(`kernels/${family}/`));
  const file = files.find((file) => readFileSync(`native/${file}`, 'utf8').includes(`void ${name}(`));
  if (file === undefined) fail(`${name}: no file of native/sources.json under '${isa}' defines it`);
  return file;
}

function checkName({ family, isa, name }) {
  if (!new RegExp(`^${family}_[1-9]\\d*x[1-9]\\d*_${isa}$`).test(name)) {
    fail(`${name}: a kernel of ${family} for ${isa} is named ${family}_<rows>x<columns>_${isa}`);
  }
}

function table() {
  const sources = readSources();
  const families = readdirSync('native/kernels', { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const rows = [];
  for (const family of families.map((entry) => entry.name).filter((name) => name !== 'math').sort()) {
    for (const kernel of readFamily(family)) {
      checkName(kernel);
      const rowsText = kernel.minRows === 1 ? 'any' : `from ${kernel.minRows}`;
      rows.push(`| ${family} | ${kernel.isa} | \`${kernel.name}\` | ${rowsText} | [${sourceOf(kernel, sources)}](../native/${sourceOf(kernel, sources)}) |`);
    }
  }
  return ['| family | instruction set | kernel | rows | source |', '|---|---|---|---|---|', ...rows, ''].join('\n');
}

function main(args) {
  const text = readFileSync(page, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) fail(`${page} lacks the two comments between which the table stands`);
  const fresh = `${text.slice(0, from)}${begin}\n${table()}\n${text.slice(to)}`;
  if (!args.includes('--check')) writeFileSync(page, fresh);
  else if (fresh !== text) fail(`${page} is stale: run node tools/kernel-table.mjs`);
}

if (isMain(import.meta.url)) main(process.argv.slice(2));
