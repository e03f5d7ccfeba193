// SPDX-License-Identifier: Apache-2.0
// What the doctor found. docs/cli.md describes the fields, which keep their names.

import type { IsaInfo, SelfTestLine } from '../../native/addon.js';

/** CPUs of one kind: equal in frequency, capacity and core. */
export interface Cluster {
  readonly cpus: readonly number[];
  readonly maxMHz: number | null;
  /** The kernel's measure of speed, up to 1024. */
  readonly capacity: number | null;
  /** Name of the core, or its numbers where the name is not known; arm64 only. */
  readonly core: string | null;
}

export interface MachineReport {
  readonly platform: string;
  readonly arch: string;
  readonly system: string;
  readonly libc: { readonly name: 'glibc' | 'musl' | 'bionic' | 'unknown'; readonly version: string | null };
  readonly node: string;
  readonly cpu: string | null;
  /** Of those that kernels use, the ones that the system names; empty where it names none. */
  readonly cpuFeatures: readonly string[];
  readonly clusters: readonly Cluster[];
  /** CPUs that this process may use, by its affinity mask; null where the system does not say. */
  readonly affinity: readonly number[] | null;
  readonly pageBytes: number | null;
  readonly memory: MemoryReport;
}

export interface MemoryReport {
  readonly totalBytes: number | null;
  readonly availableBytes: number | null;
  /** What the control group allows. */
  readonly limitBytes: number | null;
}

export interface BinaryReport {
  readonly path: string | null;
  /** Each path that was tried, and why it failed. */
  readonly error: string | null;
}

export interface ThreadsReport {
  readonly default: number;
  readonly reason: string;
  readonly bigCpus: readonly number[];
  /** CPUs that the default threads keep to; empty = any. */
  readonly pinnedCpus: readonly number[];
  /** CPUs that the quotas of control groups allow, rounded up. */
  readonly cpuQuota: number | null;
}

export interface BandwidthReport {
  readonly bytesPerS: number;
  readonly threads: number;
  /** An estimate: what the rate allows at most, with the full-size model. */
  readonly estimatedTokensPerS: number;
}

export interface NativeReport {
  readonly isas: readonly IsaInfo[];
  readonly threads: ThreadsReport | null;
  readonly selfTest: readonly SelfTestLine[];
  readonly readBandwidth: BandwidthReport | null;
}

export interface ModelReport {
  readonly path: string;
  readonly demo: boolean;
  readonly weightBytes: number | null;
  /** Memory that judging takes: an estimate. For a demo model, that of the full-size one. */
  readonly neededBytes: number;
  readonly error: string | null;
  /** Where computed policies would be saved. */
  readonly snapshots: { readonly path: string | null; readonly state: 'usable' | 'not usable' | 'off' };
}

export interface DoctorReport extends MachineReport, NativeReport {
  readonly package: string;
  readonly binary: BinaryReport;
  readonly model: ModelReport;
  /** What prevents running. */
  readonly problems: readonly string[];
  /** What makes it slow, or costs a convenience. */
  readonly warnings: readonly string[];
  readonly ok: boolean;
}
