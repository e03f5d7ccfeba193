// SPDX-License-Identifier: Apache-2.0
// Numbers, bytes and tables for people.

import type { ModerationResult } from '../facade/result.js';

export function formatBytes(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

export function formatMs(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
}

/** `S1 Violent Crimes 0.91, S9 ...`, or a dash. */
export function formatCategories(result: ModerationResult): string {
  const names = result.categories.map(({ code, name, score }) => `${code} ${name} ${score.toFixed(3)}`);
  return names.length > 0 ? names.join(', ') : '-';
}

/** Rows under a header, columns padded to their widest cell. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd();
  return [line(header), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line), ''].join('\n');
}

/** Text made fit for a terminal: control characters escaped, one line, cut to `maxChars`. */
export function oneLine(text: string, maxChars: number): string {
  // Escape sequences in a judged message must not reach the terminal.
  const clean = text.replace(/\s+/g, ' ').replace(/[\p{Cc}\p{Cf}]/gu, '?');
  const chars = [...clean];
  return chars.length > maxChars ? `${chars.slice(0, maxChars - 3).join('')}...` : clean;
}
