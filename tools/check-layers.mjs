// SPDX-License-Identifier: Apache-2.0
// Checks that includes of native/ and imports of lib/ follow the arrows of the architecture, that only the binding
// and the lab see napi.h, and that only lib/native loads the addon. Argument: another root to check (for its test).

import { readFileSync } from 'node:fs';
import path from 'node:path';

import { fail, filesUnder, isMain, root } from './common.mjs';

// From the top down; folders of one line may use each other as long as they form no cycle.
const nativeLayers = [
  ['binding', 'lab'],
  ['engine', 'selftest'],
  ['kv_cache', 'model', 'ops'],
  ['kernels', 'packing', 'quant', 'runtime'],
  ['base'],
];
const libLayers = [
  ['cli'],
  ['index'],
  ['facade'],
  ['prompt', 'scoring', 'tokenizer', 'kv-cache', 'loading', 'scheduling', 'convert'],
  ['formats', 'native'],
  ['errors'],
];

const wings = [
  { folder: 'native', files: /\.(h|cc|inc)$/, layers: nativeLayers, uses: includesOf },
  { folder: 'lib', files: /\.m?ts$/, layers: libLayers, uses: importsOf },
];

/** Paths, relative to native/, of the project files that a C++ file includes. */
function includesOf(text) {
  return [...text.matchAll(/^\s*#\s*include\s+"([^"]+)"/gm)].map((match) => match[1]);
}

/** Paths, relative to lib/, of the project files that a TypeScript file imports. */
function importsOf(text, file) {
  const specifiers = text.matchAll(/\b(?:from|import|require)\s*\(?\s*'(\.[^']+)'/g);
  return [...specifiers].map((match) => path.posix.join(path.posix.dirname(file), match[1]));
}

/** The room that a file of a wing belongs to: its first folder, or its own name at the top. */
function roomOf(file) {
  return file.includes('/') ? file.split('/')[0] : file.replace(/\..*$/, '');
}

/** All breaches of the rules under `top`, one line each. */
export function layerProblems(top) {
  const problems = [];
  for (const wing of wings) problems.push(...wingProblems(top, wing), ...placeProblems(top, wing));
  return problems;
}

function wingProblems(top, { folder, files, layers, uses }) {
  const rank = new Map(layers.flatMap((rooms, index) => rooms.map((room) => [room, index])));
  const problems = [];
  const siblings = new Map();
  for (const [file, text] of textsUnder(path.join(top, folder), files)) {
    const from = roomOf(file);
    if (!rank.has(from)) {
      problems.push(`${folder}/${file}: ${from} is in no layer (tools/check-layers.mjs lists them)`);
      continue;
    }
    for (const used of uses(text, file)) {
      const to = roomOf(used);
      if (!rank.has(to)) problems.push(`${folder}/${file}: uses ${used}, which is in no layer`);
      else if (rank.get(to) < rank.get(from)) problems.push(`${folder}/${file}: ${from} must not use ${to} (${used})`);
      else if (to !== from) siblings.set(`${from} ${to}`, `${folder}/${file}: ${from} and ${to} use each other`);
    }
  }
  for (const [pair, problem] of siblings) {
    if (siblings.has(pair.split(' ').reverse().join(' '))) problems.push(problem);
  }
  return problems;
}

/** Things that only one room may do. */
function placeProblems(top, { folder, files }) {
  const problems = [];
  for (const [file, text] of textsUnder(path.join(top, folder), files)) {
    const room = roomOf(file);
    if (folder === 'native' && /#\s*include\s*[<"](napi|node_api|js_native_api|uv)\.h[>"]/.test(text)) {
      if (room !== 'binding' && room !== 'lab') problems.push(`native/${file}: only binding and lab may see Node's headers`);
    }
    if (folder === 'lib' && room !== 'native' && /\bloadAddon\b.*host\.js|createRequire|process\.dlopen|\.node'/.test(text)) {
      problems.push(`lib/${file}: only lib/native may load the addon`);
    }
  }
  return problems;
}

function textsUnder(folder, pattern) {
  const paths = filesUnder([folder]).filter((file) => pattern.test(file));
  return paths.map((file) => [path.relative(folder, file).split(path.sep).join('/'), readFileSync(file, 'utf8')]);
}

if (isMain(import.meta.url)) {
  const problems = layerProblems(process.argv[2] ?? root);
  if (problems.length > 0) fail(`check-layers:\n${problems.join('\n')}`);
}
