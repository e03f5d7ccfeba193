// SPDX-License-Identifier: Apache-2.0
// Checks that docs/errors.md is what lib/errors/codes.ts says and that native/ returns only codes of that table.
// `--write` writes docs/errors.md. Reads the compiled table, so build first (node tools/prepare.mjs ts).

import { readFileSync, writeFileSync } from 'node:fs';

import { fail, filesUnder, isMain } from './common.mjs';

const page = 'docs/errors.md';

/** The text of docs/errors.md for a table of codes. */
export function errorsPage(table) {
  const categories = [...new Set(Object.values(table).map((entry) => entry.category))];
  const sections = categories.map((category) => {
    const rows = Object.entries(table)
      .filter(([, entry]) => entry.category === category)
      .map(([code, { when, hint }]) => `| \`${code}\` | ${when} | ${hint} |`);
    return `## ${category}\n\n| code | when | what to do |\n|---|---|---|\n${rows.join('\n')}\n`;
  });
  return `# Errors

Whatever fails throws a \`LlamaGuardError\` (or rejects with one). Its \`code\` is stable and is one of those below; its \`category\` is the heading under which the code stands; \`cause\` holds the error beneath, if there is one. Recognise one by \`LlamaGuardError.isInstance(error)\` or by its code: \`instanceof\` fails where two copies of the package are loaded. A message never holds the text that was judged.

This page is written by \`node tools/check-docs.mjs --write\` from lib/errors/codes.ts.

${sections.join('\n')}`;
}

/** Codes that native sources mention and the table does not have, one line each. */
export function unknownNativeCodes(table) {
  const files = filesUnder(['native']).filter((file) => /\.(h|cc|inc)$/.test(file));
  return files.flatMap((file) => {
    const codes = readFileSync(file, 'utf8').match(/ERR_LLAMA_GUARD_[A-Z_]+/g) ?? [];
    return codes.filter((code) => !(code in table)).map((code) => `${file}: ${code} is not in lib/errors/codes.ts`);
  });
}

if (isMain(import.meta.url)) {
  const { errorTable } = await import('../dist/errors/codes.js');
  const wanted = errorsPage(errorTable);
  if (process.argv.includes('--write')) writeFileSync(page, wanted);
  const problems = unknownNativeCodes(errorTable);
  if (readFileSync(page, 'utf8') !== wanted) problems.push(`${page} is stale: node tools/check-docs.mjs --write`);
  if (problems.length > 0) fail(`check-docs:\n${problems.join('\n')}`);
}
