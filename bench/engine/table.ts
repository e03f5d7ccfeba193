// SPDX-License-Identifier: Apache-2.0
// Rows of the engine's benchmark, and how they are printed.

import { median } from '../peer/work.js';

export interface Row {
  readonly figure: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function row(figure: string, unit: string, values: readonly number[]): Row {
  return { figure, unit, median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

export function tableText(rows: readonly Row[]): string {
  const digits = (value: number): string => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
  const range = ({ median: middle, min, max }: Row): string =>
    min === max ? digits(middle) : `${digits(middle)} (${digits(min)} to ${digits(max)})`;
  const head = ['', 'unit', 'median (range)'];
  const lines = [head, head.map(() => '---'), ...rows.map((entry) => [entry.figure, entry.unit, range(entry)])];
  return lines.map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}
