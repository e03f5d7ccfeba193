// SPDX-License-Identifier: Apache-2.0
// Llama 3's split pattern as a hand-written scanner over UTF-8: where the piece that begins here ends. Its alternatives
// are tried in the pattern's order. Each piece is found in time proportional to its length, or, for white space, to
// that of the run it begins; a run is cut into three pieces at most, so the whole text takes linear time.

import {
  codePointClasses, letterClass, lineBreakClass, numberClass, otherClass, spaceClass,
} from './unicode-classes.js';

/** The pattern that this file implements, as tokenizer.json writes it. */
export const splitPattern =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const maxDigits = 3;
const blank = 0x20;
const apostrophe = 0x27;

/**
 * The end of the piece that begins at `begin`.
 * @param bytes valid UTF-8 up to `end`
 * @param begin a character boundary before `end`
 */
export function pieceEnd(bytes: Uint8Array, begin: number, end: number): number {
  const lead = bytes[begin]!;
  const charClass = classAt(bytes, begin);
  const next = begin + charBytes(lead);
  if (charClass === letterClass) return runEnd(bytes, next, end, letterClass);
  if (charClass === numberClass) return numberEnd(bytes, next, end);
  if (lead === apostrophe) {
    const contraction = contractionEnd(bytes, next, end);
    if (contraction > next) return contraction;
  }
  const nextClass = next < end ? classAt(bytes, next) : 0;
  if (nextClass === letterClass && charClass !== lineBreakClass) return runEnd(bytes, next, end, letterClass);
  if (charClass === otherClass || (lead === blank && nextClass === otherClass)) {
    return runEnd(bytes, runEnd(bytes, next, end, otherClass), end, lineBreakClass);
  }
  return whiteSpaceEnd(bytes, begin, end);
}

/** `\p{N}{1,3}`, its first digit passed. */
function numberEnd(bytes: Uint8Array, begin: number, end: number): number {
  let at = begin;
  for (let digits = 1; digits < maxDigits && at < end && classAt(bytes, at) === numberClass; digits++) {
    at += charBytes(bytes[at]!);
  }
  return at;
}

/** `(?i:'s|'t|'re|'ve|'m|'ll|'d)`, the apostrophe passed; `begin` where there is none. */
function contractionEnd(bytes: Uint8Array, begin: number, end: number): number {
  if (begin === end) return begin;
  const lead = bytes[begin]!;
  // U+017F, the long s, is s when case is ignored; it takes two bytes, so there is a second one.
  if (lead === 0xc5) return bytes[begin + 1] === 0xbf ? begin + 2 : begin;
  const first = lowerCase(lead);
  if (first === 0x73 || first === 0x74 || first === 0x6d || first === 0x64) return begin + 1; // s t m d
  if (begin + 1 === end) return begin;
  const second = lowerCase(bytes[begin + 1]!);
  const isPair = (second === 0x65 && (first === 0x72 || first === 0x76)) || (second === 0x6c && first === 0x6c); // re ve ll
  return isPair ? begin + 2 : begin;
}

/**
 * `\s*[\r\n]+|\s+(?!\S)|\s+`: up to the last line break of the run; without one the whole run at the end of the text,
 * and elsewhere the run less its last character, unless it is the only one.
 */
function whiteSpaceEnd(bytes: Uint8Array, begin: number, end: number): number {
  let at = begin;
  let last = begin;
  let lineBreakEnd = -1;
  while (at < end) {
    const charClass = classAt(bytes, at);
    if ((charClass & (spaceClass | lineBreakClass)) === 0) break;
    last = at;
    at += charBytes(bytes[at]!);
    if (charClass === lineBreakClass) lineBreakEnd = at;
  }
  if (lineBreakEnd >= 0) return lineBreakEnd;
  return at === end || last === begin ? at : last;
}

function runEnd(bytes: Uint8Array, begin: number, end: number, charClass: number): number {
  let at = begin;
  while (at < end && classAt(bytes, at) === charClass) at += charBytes(bytes[at]!);
  return at;
}

function classAt(bytes: Uint8Array, at: number): number {
  const lead = bytes[at]!;
  if (lead < 0x80) return codePointClasses[lead]!;
  const codePoint = decodeChar(bytes, at, lead);
  return codePoint < codePointClasses.length ? codePointClasses[codePoint]! : otherClass;
}

/** The code point of two to four bytes. */
function decodeChar(bytes: Uint8Array, at: number, lead: number): number {
  const second = bytes[at + 1]! & 0x3f;
  if (lead < 0xe0) return ((lead & 0x1f) << 6) | second;
  const third = bytes[at + 2]! & 0x3f;
  if (lead < 0xf0) return ((lead & 0x0f) << 12) | (second << 6) | third;
  return ((lead & 0x07) << 18) | (second << 12) | (third << 6) | (bytes[at + 3]! & 0x3f);
}

function charBytes(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}

function lowerCase(byte: number): number {
  return byte | 0x20;
}
