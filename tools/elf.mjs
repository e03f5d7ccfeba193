// SPDX-License-Identifier: Apache-2.0
// Reads from a shared library what tools/check-binary.mjs asks about, without binutils, so that a library for any
// machine can be checked on any machine. 64-bit little-endian ELF; layouts as in the System V ABI, chapters 4 and 5, and
// for the versions of symbols the Linux Standard Base, chapter "Symbol Versioning".

import { readFileSync } from 'node:fs';

const machines = { 62: 'x64', 183: 'arm64' };
const segment = { load: 1, tls: 7 };
const section = { dynamic: 6, dynsym: 11, versionNeeds: 0x6ffffffe, versions: 0x6fffffff };
const neededTag = 1;
const binding = { local: 0, weak: 2 };

/** Node's name of the architecture that an ELF file is for; undefined for anything else. */
export function elfArch(bytes) {
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46) return undefined;
  return bytes[4] === 2 && bytes[5] === 1 ? machines[bytes.readUInt16LE(18)] : undefined;
}

/**
 * `arch`; `loadAlignments` of the segments that are mapped, in bytes; `threadLocal`: whether there is thread-local
 * storage; `needed`: names of the libraries; `symbols` of the dynamic table: {name, defined, weak, version}, where
 * the version is that of a library's symbol, such as GLIBC_2.17, or undefined. Throws for what is no such file.
 */
export function readElf(file) {
  const bytes = readFileSync(file);
  const arch = elfArch(bytes);
  if (arch === undefined) throw new Error(`${file} is no 64-bit ELF file of a known architecture`);
  const segments = tableOf(bytes, 32, 54, (at) => ({ type: bytes.readUInt32LE(at), align: word(bytes, at + 48) }));
  const sections = tableOf(bytes, 40, 58, (at) => sectionAt(bytes, at));
  const find = (type) => sections.find((entry) => entry.type === type);
  return {
    arch,
    loadAlignments: segments.filter(({ type }) => type === segment.load).map(({ align }) => align),
    threadLocal: segments.some(({ type }) => type === segment.tls),
    needed: neededNames(bytes, sections, find(section.dynamic)),
    symbols: symbolsOf(bytes, sections, find),
  };
}

/** Entries of the table whose offset stands at `offsetAt` and whose entry size and count stand from `sizeAt` on. */
function tableOf(bytes, offsetAt, sizeAt, read) {
  const size = bytes.readUInt16LE(sizeAt);
  return Array.from({ length: bytes.readUInt16LE(sizeAt + 2) }, (_, i) => read(word(bytes, offsetAt) + i * size));
}

function sectionAt(bytes, at) {
  const [type, link] = [bytes.readUInt32LE(at + 4), bytes.readUInt32LE(at + 40)];
  return { type, offset: word(bytes, at + 24), size: word(bytes, at + 32), link };
}

/** A 64-bit word; those that a file on disk holds are small enough for a number. */
function word(bytes, at) {
  return Number(bytes.readBigUInt64LE(at));
}

function textAt(bytes, at) {
  return bytes.toString('latin1', at, bytes.indexOf(0, at));
}

function neededNames(bytes, sections, dynamic) {
  const names = [];
  if (dynamic === undefined) return names;
  const strings = sections[dynamic.link].offset;
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    if (word(bytes, at) === neededTag) names.push(textAt(bytes, strings + word(bytes, at + 8)));
  }
  return names;
}

function symbolsOf(bytes, sections, find) {
  const table = find(section.dynsym);
  if (table === undefined) return [];
  const strings = sections[table.link].offset;
  const versions = find(section.versions);
  const names = versionNames(bytes, sections, find(section.versionNeeds));
  const symbols = [];
  for (let i = 1; i * 24 < table.size; ++i) {
    const at = table.offset + i * 24;
    const bind = bytes[at + 4] >> 4;
    if (bind === binding.local) continue;
    const version = versions === undefined ? 0 : bytes.readUInt16LE(versions.offset + 2 * i) & 0x7fff;
    symbols.push({
      name: textAt(bytes, strings + bytes.readUInt32LE(at)),
      defined: bytes.readUInt16LE(at + 6) !== 0,
      weak: bind === binding.weak,
      version: names.get(version),
    });
  }
  return symbols;
}

/** Names of the versions that are asked of other libraries, by the number that symbols refer to. */
function versionNames(bytes, sections, needs) {
  const names = new Map();
  if (needs === undefined) return names;
  const strings = sections[needs.link].offset;
  for (let at = needs.offset, next = -1; next !== 0; at += next) {
    let entry = at + bytes.readUInt32LE(at + 8);
    for (let i = 0; i < bytes.readUInt16LE(at + 2); ++i) {
      names.set(bytes.readUInt16LE(entry + 6), textAt(bytes, strings + bytes.readUInt32LE(entry + 8)));
      entry += bytes.readUInt32LE(entry + 12);
    }
    next = bytes.readUInt32LE(at + 12);
  }
  return names;
}
