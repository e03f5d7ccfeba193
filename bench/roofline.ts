// SPDX-License-Identifier: Apache-2.0
// The roofline plot: operations for each byte across, operations a second upwards, both logarithmic. Slanted roofs are
// read rates at a size, level ones are peaks from registers; each kernel on a shape is a numbered point below its roof.

import { bytesText, type Peak, type ReadRate } from './limits.js';

export interface RooflinePoint {
  readonly kernel: string;
  readonly isa: string;
  readonly shape: string;
  readonly operations: number;
  readonly bytes: number;
  readonly gigaOps: number;
  readonly shareOfRoof: number | undefined;
}

export interface Roofline {
  readonly title: string;
  readonly threads: number;
  readonly peaks: readonly Peak[];
  readonly read: readonly ReadRate[];
  readonly points: readonly RooflinePoint[];
}

const plot = { left: 70, top: 60, width: 760, height: 560 } as const;
const listLeft = plot.left + plot.width + 30;
const listWidth = 600;
const listLine = 15;
const palette = ['#0b6e99', '#c2410c', '#4d7c0f', '#7e22ce', '#b91c1c', '#0f766e'] as const;

type Position = readonly [x: number, y: number];

/** SVG, or a page around it where the file's name ends in .html. */
export function rooflinePage(file: string, roofline: Roofline): string {
  const svg = rooflineSvg(roofline);
  if (!file.endsWith('.html')) return svg;
  return `<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>${escape(roofline.title)}</title>\n<body>\n${svg}</body></html>\n`;
}

export function rooflineSvg(roofline: Roofline): string {
  // A kernel without a roof has no place under one.
  const points = roofline.points.filter((point) => point.shareOfRoof !== undefined);
  const isas = [...new Set([...roofline.peaks.map((peak) => peak.isa), ...points.map((point) => point.isa)])];
  const colour = (isa: string): string => palette[isas.indexOf(isa) % palette.length]!;
  const axes = axesFor(roofline, points);
  const height = Math.max(plot.top + plot.height + 60, plot.top + (points.length + 2) * listLine);
  const heading = `${roofline.title}, ${roofline.threads} thread(s)`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${listLeft + listWidth} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    text([plot.left, 30], heading, 'font-size="17" font-weight="bold"'),
    ...axes.lines,
    ...roofs(roofline, axes, colour),
    ...points.map((point, index) => marker(point, index + 1, axes, colour)),
    ...list(points, colour),
    '</svg>\n',
  ].join('\n');
}

interface Axes {
  readonly lines: readonly string[];
  readonly intensities: readonly [number, number];
  readonly lowestGigaOps: number;
  /** Where a pair of intensity and GOP/s lies on the page. */
  readonly at: (intensity: number, gigaOps: number) => Position;
}

function axesFor({ peaks, read }: Roofline, points: readonly RooflinePoint[]): Axes {
  const intensities = points.map((point) => point.operations / point.bytes);
  const rates = [...points.map((point) => point.gigaOps), ...peaks.map((peak) => peak.gigaOps)];
  const knees = peaks.flatMap((peak) => read.map((rate) => peak.gigaOps / rate.gigabytesPerSecond));
  const [fromX, toX] = decades([...intensities, ...knees]);
  const [fromY, toY] = decades(rates);
  const share = (value: number, from: number, to: number): number => (Math.log10(value) - from) / (to - from);
  const x = (intensity: number): number => plot.left + plot.width * share(intensity, fromX, toX);
  const y = (gigaOps: number): number => plot.top + plot.height * (1 - share(gigaOps, fromY, toY));
  const [bottom, right] = [plot.top + plot.height, plot.left + plot.width];
  const lines = [
    ...range(fromX, toX).flatMap((power) => [
      stroke([x(10 ** power), plot.top], [x(10 ** power), bottom], '#ddd'),
      text([x(10 ** power), bottom + 18], power10(power), 'text-anchor="middle"'),
    ]),
    ...range(fromY, toY).flatMap((power) => [
      stroke([plot.left, y(10 ** power)], [right, y(10 ** power)], '#ddd'),
      text([plot.left - 8, y(10 ** power) + 4], power10(power), 'text-anchor="end"'),
    ]),
    text([plot.left + plot.width / 2, bottom + 42], 'operations for each byte read or written', 'text-anchor="middle"'),
    text([0, 0], 'GOP/s', `text-anchor="middle" transform="translate(22 ${plot.top + plot.height / 2}) rotate(-90)"`),
  ];
  return { lines, intensities: [10 ** fromX, 10 ** toX], lowestGigaOps: 10 ** fromY, at: (i, g) => [x(i), y(g)] };
}

function roofs({ peaks, read }: Roofline, axes: Axes, colour: (isa: string) => string): string[] {
  const fastest = Math.max(...read.map((rate) => rate.gigabytesPerSecond));
  const highest = Math.max(...peaks.map((peak) => peak.gigaOps));
  const [from, to] = axes.intensities;
  const slanted = read.flatMap(({ bytes, gigabytesPerSecond: rate }, index) => {
    const start = Math.max(from, axes.lowestGigaOps / rate);
    const [x, y] = axes.at(start, start * rate);
    // Both axes have the same number of pixels for a factor only by chance, so the angle is taken from the line.
    const [endX, endY] = axes.at(highest / rate, highest);
    const degrees = (Math.atan2(endY - y, endX - x) * 180) / Math.PI;
    // Caches may be nearly as fast as one another: names take turns in standing low and high.
    const along = 0.12 + 0.36 * (index % 2);
    const place = `transform="translate(${round(x + (endX - x) * along)} ${round(y + (endY - y) * along - 5)}) rotate(${round(degrees)})"`;
    return [
      stroke([x, y], [endX, endY], '#555', 1.5),
      text([0, 0], `read ${bytesText(bytes)}: ${rate.toFixed(0)} GB/s`, `fill="#333" ${place}`),
    ];
  });
  const level = peaks.flatMap(({ isa, type, gigaOps }, index) => {
    const end = axes.at(to, gigaOps);
    // Two instruction sets may have the same peak: the later one's name goes below the line.
    const isTaken = peaks.slice(0, index).some((peak) => Math.abs(axes.at(to, peak.gigaOps)[1] - end[1]) < 14);
    return [
      stroke(axes.at(gigaOps / fastest, gigaOps), end, colour(isa), 1.5),
      text([end[0] - 4, end[1] + (isTaken ? 14 : -4)], `${type} ${isa}: ${gigaOps.toFixed(0)} GOP/s`, `text-anchor="end" fill="${colour(isa)}"`),
    ];
  });
  return [...slanted, ...level];
}

function marker(point: RooflinePoint, number: number, axes: Axes, colour: (isa: string) => string): string {
  const [x, y] = axes.at(point.operations / point.bytes, point.gigaOps).map(round);
  const circle = `<circle cx="${x}" cy="${y}" r="8" fill="${colour(point.isa)}" fill-opacity="0.85" stroke="#fff"/>`;
  const label = text([x!, y! + 3], String(number), 'text-anchor="middle" fill="#fff" font-size="9"');
  return `<g><title>${escape(entry(point))}</title>${circle}${label}</g>`;
}

function list(points: readonly RooflinePoint[], colour: (isa: string) => string): string[] {
  return points.map((point, index) => {
    const place: Position = [listLeft, plot.top + (index + 1) * listLine];
    return text(place, `${index + 1}  ${entry(point)}`, `font-size="11" fill="${colour(point.isa)}"`);
  });
}

function entry({ kernel, shape, gigaOps, shareOfRoof }: RooflinePoint): string {
  return `${kernel}, ${shape}: ${gigaOps.toFixed(1)} GOP/s, ${((shareOfRoof ?? 0) * 100).toFixed(0)} % of its roof`;
}

/** Powers of ten around all values. */
function decades(values: readonly number[]): [number, number] {
  const powers = values.map((value) => Math.log10(value));
  return [Math.floor(Math.min(...powers)), Math.ceil(Math.max(...powers) + 0.1)];
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

function power10(power: number): string {
  return power < 0 ? (10 ** power).toFixed(-power) : String(10 ** power);
}

function stroke([x1, y1]: Position, [x2, y2]: Position, colour: string, width = 1): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${colour}" stroke-width="${width}"/>`;
}

function text([x, y]: Position, content: string, attributes: string): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escape(content)}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(content: string): string {
  return content.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
