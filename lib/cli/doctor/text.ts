// SPDX-License-Identifier: Apache-2.0
// The report as text: short, aligned, fit to be pasted into a bug report.

import { formatBytes } from '../format.js';
import type { BandwidthReport, Cluster, DoctorReport, MemoryReport } from './report.js';

const indent = 12;

export function reportText(report: DoctorReport): string {
  const rows = [...machineRows(report), ...nativeRows(report), ...modelRows(report)];
  const findings = [
    ...report.problems.map((text): Row => ['problem', text]),
    ...report.warnings.map((text): Row => ['warning', text]),
  ];
  const verdict = report.ok ? 'Nothing prevents running.' : 'This cannot run as it is.';
  return [`llama-guard-int4 ${report.package}`, ...rows.map(line), '', ...findings.map(line), verdict, ''].join('\n');
}

type Row = readonly [name: string, text: string];

function line([name, text]: Row): string {
  return `${name.padEnd(indent)}${text.replaceAll('\n', `\n${' '.repeat(indent)}`)}`;
}

function machineRows(report: DoctorReport): Row[] {
  const { libc } = report;
  const libcText = `${libc.name}${libc.version === null ? '' : ` ${libc.version}`}`;
  return [
    ['platform', `${report.platform}-${report.arch}, kernel ${report.system}, ${libcText}`],
    ['node', report.node],
    ['CPU', report.cpu ?? 'not told'],
    ['features', report.cpuFeatures.join(' ') || 'not told'],
    ...report.clusters.map((cluster, i): Row => [i === 0 ? 'cores' : '', clusterText(cluster)]),
    ['usable CPUs', report.affinity === null ? 'not told' : rangesText(report.affinity)],
    ['page size', report.pageBytes === null ? 'not told' : String(report.pageBytes)],
    ['memory', memoryText(report.memory, report.model.neededBytes)],
  ];
}

function nativeRows({ binary, isas, threads, selfTest, readBandwidth }: DoctorReport): Row[] {
  if (threads === null) return [['binary', 'none']];
  const names = isas.map(({ name, supported }) => (supported ? name : `(${name})`)).join(' ');
  const count = (health: string): number => selfTest.filter((entry) => entry.health === health).length;
  return [
    ['binary', binary.path ?? 'not told'],
    ['kernels', `${names}${isas.every(({ supported }) => supported) ? '' : ', those in brackets not on this CPU'}`],
    ['self-test', `kernels: ${count('equal')} equal, ${count('differs')} different, ${count('unsupported')} not on this CPU`],
    ['threads', `${threads.default}: ${threads.reason}`],
    ['read rate', rateText(readBandwidth)],
  ];
}

function rateText(rate: BandwidthReport | null): string {
  if (rate === null) return 'not measured';
  const measured = `${(rate.bytesPerS / 1e9).toFixed(1)} GB/s with ${rate.threads} thread(s)`;
  return `${measured}; estimate for the full-size model: at most ${rate.estimatedTokensPerS} tokens/s`;
}

function modelRows({ model }: DoctorReport): Row[] {
  const { path, demo, weightBytes, snapshots } = model;
  return [
    ['model', `${path}${demo ? ' (demo)' : ''}${weightBytes === null ? '' : `, ${formatBytes(weightBytes)}`}`],
    ['snapshots', snapshots.path === null ? snapshots.state : `${snapshots.path}, ${snapshots.state}`],
  ];
}

function clusterText({ cpus, maxMHz, capacity, core }: Cluster): string {
  const facts = [
    ...(core === null ? [] : [core]),
    ...(maxMHz === null ? [] : [`${maxMHz} MHz`]),
    ...(capacity === null ? [] : [`capacity ${capacity}`]),
  ];
  return `${cpus.length} (${rangesText(cpus)})${facts.length === 0 ? '' : `: ${facts.join(', ')}`}`;
}

function memoryText({ totalBytes, availableBytes, limitBytes }: MemoryReport, neededBytes: number): string {
  const text = (bytes: number | null): string => (bytes === null ? 'an unknown amount' : formatBytes(bytes));
  const limit = limitBytes === null ? '' : `, limit ${text(limitBytes)}`;
  return `${text(availableBytes)} free of ${text(totalBytes)}${limit}; needs about ${text(neededBytes)}`;
}

/** Ascending numbers such as 0-3,6. */
function rangesText(numbers: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(',');
}
