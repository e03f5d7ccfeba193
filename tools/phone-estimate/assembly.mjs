// SPDX-License-Identifier: Apache-2.0
// Finds loops in the assembly text of gcc or clang for arm64, and counts their multiply-accumulates.

/** Multiply-accumulates of one instruction, by mnemonic and arrangement of the result. */
const accumulates = {
  bytes: new Map([
    ['sdot 4s', 16],
    ['smmla 4s', 32],
    ['smull 8h', 8],
    ['smull2 8h', 8],
    ['smlal 8h', 8],
    ['smlal2 8h', 8],
  ]),
  floats: new Map([['fmla 4s', 4]]),
};

/** A line without comment and white space around it. */
function bare(line) {
  return line.replace(/\/\/.*$/, '').trim();
}

/**
 * The functions of an assembly file: {name, lines}, where lines are labels (`.L3:`) and instructions. Directives, comments
 * and the compilers' marks around inline assembly are left out.
 */
export function functionsOf(text) {
  const functions = [];
  let current;
  for (const line of text.split('\n').map(bare)) {
    const start = /^\.type\s+([^\s,]+),\s*[%@]function$/.exec(line);
    if (start !== null) functions.push((current = { name: start[1], lines: [] }));
    else if (/^\.size\s/.test(line)) current = undefined;
    else if (current !== undefined && /^(\.\w+:|[a-z][^:]*)$/.test(line)) current.lines.push(line.replace(/\s+/g, ' '));
  }
  return functions;
}

/** The label that a branch goes to; undefined for other instructions, calls and jumps through registers. */
function branchTarget(line) {
  return /^(?:b|b\.?[a-z]{2}|cbn?z|tbn?z) (?:.*, ?)?(\.\w+)$/.exec(line)?.[1];
}

/** Where a function's loops lie: from the label that a later branch goes back to, to the last such branch. */
function loopRanges(lines) {
  const ends = new Map();
  lines.forEach((line, end) => {
    const target = branchTarget(line);
    const begin = target === undefined ? -1 : lines.indexOf(`${target}:`);
    if (begin >= 0 && begin < end) ends.set(begin, end);
  });
  return [...ends].map(([begin, end]) => ({ begin, end }));
}

function isWithin(inner, outer) {
  return inner !== outer && inner.begin >= outer.begin && inner.end <= outer.end;
}

function instructions(lines) {
  return lines.filter((line) => !line.endsWith(':'));
}

/**
 * The loops of a function that have none inside: {body, around}, where `around` is the rest of the next loop outside or, where
 * there is none, of the function. Both sides of a branch that goes forward count as if they ran.
 */
export function innermostLoops(lines) {
  const ranges = loopRanges(lines);
  const innermost = ranges.filter((range) => !ranges.some((other) => isWithin(other, range)));
  return innermost.map((range) => {
    const outside = ranges.filter((other) => isWithin(range, other)).sort((a, b) => a.end - a.begin - (b.end - b.begin));
    const { begin, end } = outside[0] ?? { begin: 0, end: lines.length - 1 };
    const around = [...lines.slice(begin, range.begin), ...lines.slice(range.end + 1, end + 1)];
    return { body: instructions(lines.slice(range.begin, range.end + 1)), around: instructions(around) };
  });
}

/** How many multiply-accumulates, of 'bytes' or 'floats', these instructions do. */
export function countAccumulates(lines, kind) {
  let sum = 0;
  for (const line of lines) {
    const match = /^(\w+) v\d+\.(\w+),/.exec(line);
    if (match !== null) sum += accumulates[kind].get(`${match[1]} ${match[2]}`) ?? 0;
  }
  return sum;
}

/** How many of the instructions have this mnemonic. */
export function countOf(lines, mnemonic) {
  return lines.filter((line) => line.startsWith(`${mnemonic} `)).length;
}

/** The same instructions, but that loads of 16 bytes take no register as offset. */
export function withoutRegisterOffsets(lines) {
  return lines.map((line) => line.replace(/^(ldr q\d+, \[x\d+), x\d+\]$/, '$1]'));
}

/** The innermost loop with the most of what `count` counts in its body, of functions whose names match; undefined without any. */
export function loopWithMost(text, functionPattern, count) {
  const matching = functionsOf(text).filter(({ name }) => functionPattern.test(name));
  const loops = matching.flatMap(({ lines }) => innermostLoops(lines)).filter(({ body }) => count(body) > 0);
  return loops.sort((a, b) => count(b.body) - count(a.body))[0];
}
