// SPDX-License-Identifier: Apache-2.0
// What the addon says, where it can be loaded.

import type { NativeAddon, Topology } from '../../native/addon.js';
import { fullSize } from './model.js';
import type { BandwidthReport, BinaryReport, MemoryReport, NativeReport, ThreadsReport } from './report.js';
import type { DoctorSources } from './sources.js';

/** The addon, or why there is none. */
export function loadBinary(sources: DoctorSources): { readonly addon: NativeAddon | undefined; readonly binary: BinaryReport } {
  try {
    const addon = sources.loadAddon();
    return { addon, binary: { path: sources.loadedFrom() ?? null, error: null } };
  } catch (error) {
    return { addon: undefined, binary: { path: null, error: error instanceof Error ? error.message : String(error) } };
  }
}

export async function examineNative(addon: NativeAddon | undefined, { availableBytes }: MemoryReport): Promise<NativeReport> {
  if (addon === undefined) return { isas: [], threads: null, selfTest: [], readBandwidth: null };
  const topology = addon.topology();
  return {
    isas: addon.isas(),
    threads: threadsReport(topology),
    selfTest: await addon.selfTest(),
    readBandwidth: await bandwidth(addon, topology.defaultThreads, availableBytes),
  };
}

function threadsReport({ usableCpus, bigCpus, cpuQuota, defaultThreads, pinnedCpus }: Topology): ThreadsReport {
  const big = bigCpus.length < usableCpus.length ? ', the big ones' : '';
  const quota = defaultThreads < bigCpus.length ? `, cut to the quota of ${cpuQuota}` : '';
  const pinned = pinnedCpus.length > 0 ? ', which threads keep to' : '';
  return {
    default: defaultThreads,
    reason: `${bigCpus.length} of ${usableCpus.length} CPUs that this process may use${big}${quota}${pinned}`,
    bigCpus,
    pinnedCpus,
    cpuQuota: cpuQuota === 0 ? null : cpuQuota,
  };
}

/** Larger than most caches, and a quarter of the free memory at most. Null where memory is short. */
async function bandwidth(addon: NativeAddon, threads: number, availableBytes: number | null): Promise<BandwidthReport | null> {
  const bytes = Math.min(256 * 2 ** 20, Math.max(2 ** 20, Math.floor((availableBytes ?? 2 ** 28) / 4)));
  try {
    const bytesPerS = await addon.readBandwidth(threads, bytes);
    return { bytesPerS: Math.round(bytesPerS), threads, estimatedTokensPerS: round(bytesPerS / fullSize.bytesPerPass) };
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_LLAMA_GUARD_OUT_OF_MEMORY') return null;
    throw error;
  }
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
