// SPDX-License-Identifier: Apache-2.0
// What the system says of the machine: read without the addon, which may be what is missing.

import { armCoreName } from './arm-cores.js';
import type { Cluster, MachineReport } from './report.js';
import { bytesOf, type DoctorSources, namesIn, textOf } from './sources.js';

/** Names in /proc/cpuinfo of what kernels, or their neighbours, need. */
const knownFeatures = [
  'avx2', 'fma', 'f16c', 'avx_vnni', 'avx512f', 'avx512bw', 'avx512dq', 'avx512vl', 'avx512_vnni', 'amx_tile', 'amx_int8',
  'asimd', 'asimddp', 'i8mm', 'sve', 'sve2',
];

export function examineMachine(sources: DoctorSources): MachineReport {
  const blocks = cpuinfoBlocks(sources);
  const named = blocks.find((block) => block['model name'] ?? block['Hardware']) ?? {};
  const features = new Set((blocks[0]?.['flags'] ?? blocks[0]?.['Features'] ?? '').split(/\s+/));
  return {
    platform: sources.platform,
    arch: sources.arch,
    system: sources.release,
    libc: libc(sources),
    node: sources.node,
    cpu: named['model name'] ?? named['Hardware'] ?? null,
    cpuFeatures: knownFeatures.filter((name) => features.has(name)),
    clusters: clusters(sources, blocks),
    affinity: affinity(sources),
    pageBytes: pageBytes(sources),
    memory: memory(sources),
  };
}

type Fields = Readonly<Record<string, string | undefined>>;

/** The paragraphs of /proc/cpuinfo: one for each CPU, on some phones one more. */
function cpuinfoBlocks(sources: DoctorSources): Fields[] {
  const paragraphs = (textOf(sources, '/proc/cpuinfo') ?? '').split(/\n\s*\n/).filter((text) => text.trim() !== '');
  return paragraphs.map(fieldsOf);
}

/** Lines of the form `name : value`. */
function fieldsOf(text: string): Fields {
  const lines = text.split('\n').map((line) => /^([^:]+?)\s*:\s*(.*?)\s*$/.exec(line));
  return Object.fromEntries(lines.flatMap((match) => (match ? [[match[1], match[2]]] : [])));
}

function libc({ platform, glibc, musl }: DoctorSources): MachineReport['libc'] {
  if (platform === 'android') return { name: 'bionic', version: null };
  if (glibc !== undefined) return { name: 'glibc', version: glibc };
  return { name: musl ? 'musl' : 'unknown', version: null };
}

function clusters(sources: DoctorSources, blocks: readonly Fields[]): Cluster[] {
  const found = new Map<string, Cluster & { cpus: number[] }>();
  for (const cpu of cpuNumbers(sources, blocks)) {
    const one = { cpus: [cpu], ...describeCpu(sources, cpu, blocks.find((block) => block['processor'] === String(cpu))) };
    const key = JSON.stringify([one.maxMHz, one.capacity, one.core]);
    const known = found.get(key);
    if (known) known.cpus.push(cpu);
    else found.set(key, one);
  }
  const speed = ({ capacity, maxMHz }: Cluster): number => capacity ?? maxMHz ?? 0;
  return [...found.values()].sort((a, b) => speed(b) - speed(a));
}

function cpuNumbers(sources: DoctorSources, blocks: readonly Fields[]): number[] {
  const folders = namesIn(sources, '/sys/devices/system/cpu').map((name) => /^cpu(\d+)$/.exec(name)?.[1]);
  const listed = folders.some((number) => number !== undefined) ? folders : blocks.map((block) => block['processor']);
  const numbers = listed.filter((number) => number !== undefined && /^\d+$/.test(number)).map(Number);
  return numbers.sort((a, b) => a - b);
}

function describeCpu(sources: DoctorSources, cpu: number, fields: Fields | undefined): Omit<Cluster, 'cpus'> {
  const folder = `/sys/devices/system/cpu/cpu${cpu}`;
  const kHz = numberIn(sources, `${folder}/cpufreq/cpuinfo_max_freq`);
  const [implementer, part] = [fields?.['CPU implementer'], fields?.['CPU part']];
  return {
    maxMHz: kHz === null ? null : Math.round(kHz / 1000),
    capacity: numberIn(sources, `${folder}/cpu_capacity`),
    core: implementer === undefined || part === undefined ? null : armCoreName(implementer, part),
  };
}

function numberIn(sources: DoctorSources, file: string): number | null {
  const value = Number.parseInt(textOf(sources, file) ?? '', 10);
  return value > 0 ? value : null;
}

function affinity(sources: DoctorSources): number[] | null {
  const list = fieldsOf(textOf(sources, '/proc/self/status') ?? '')['Cpus_allowed_list'];
  if (list === undefined || !/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(list)) return null;
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: Math.min(last - first, 4095) + 1 }, (_, i) => first + i);
  });
}

/** From the auxiliary vector: pairs of 64-bit words, a type and a value. */
function pageBytes(sources: DoctorSources): number | null {
  const pageSizeType = 6n; // AT_PAGESZ
  const bytes = bytesOf(sources, '/proc/self/auxv');
  for (let at = 0; at + 16 <= bytes.length; at += 16) {
    if (bytes.readBigUInt64LE(at) === pageSizeType) return Number(bytes.readBigUInt64LE(at + 8));
  }
  return null;
}

function memory(sources: DoctorSources): MachineReport['memory'] {
  const fields = fieldsOf(textOf(sources, '/proc/meminfo') ?? '');
  const bytes = (name: string): number | undefined => {
    const kibibytes = Number.parseInt(fields[name] ?? '', 10);
    return Number.isNaN(kibibytes) ? undefined : kibibytes * 1024;
  };
  const available = [bytes('MemAvailable'), sources.availableMemory, sources.memoryLimit].filter((value) => value !== undefined);
  return {
    totalBytes: bytes('MemTotal') ?? null,
    availableBytes: available.length > 0 ? Math.min(...available) : null,
    limitBytes: sources.memoryLimit ?? null,
  };
}
