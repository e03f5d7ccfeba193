// SPDX-License-Identifier: Apache-2.0
// How many threads are the default, on made-up machines: trees of /sys and /proc in a folder.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import { lab } from './lab.js';

const cpuFile = (cpu: number, name: string): string => `sys/devices/system/cpu/cpu${cpu}/${name}`;
const each = (name: string, values: readonly number[]): Record<string, string> =>
  Object.fromEntries(values.map((value, cpu) => [cpuFile(cpu, name), `${value}\n`]));
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('the default number of threads', () => {
  let root: string;
  beforeEach(() => (root = mkdtempSync(path.join(tmpdir(), 'lg-topology-'))));
  afterEach(() => rmSync(root, { recursive: true }));

  function machine(files: Readonly<Record<string, string>>, cpus = 8): ReturnType<typeof lab.topology> {
    for (const [name, text] of Object.entries(files)) {
      const file = path.join(root, name);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    return lab.topology(root, range(cpus));
  }

  it('is all CPUs where nothing is known of them', () => {
    expect(machine({}, 6)).to.deep.equal({ bigCpus: range(6), quota: 0, threads: 6, pinnedCpus: [] });
  });

  it('is at least one', () => {
    expect(machine({}, 0).threads).to.equal(1);
  });

  // Capacities as kernels of such phones report them.
  for (const [name, capacities, big] of [
    ['four little and four big cores', [290, 290, 290, 290, 1024, 1024, 1024, 1024], [4, 5, 6, 7]],
    ['little, middle and prime cores', [250, 250, 250, 250, 801, 801, 801, 1024], [4, 5, 6, 7]],
    ['equal cores', [1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024], range(8)],
    ['a threshold of 60 %: 615 of 1024 is in, 614 is not', [614, 615, 1024, 1024, 614, 615, 614, 614], [1, 2, 3, 5]],
  ] as const) {
    it(`counts the big CPUs by capacity: ${name}`, () => {
      expect(machine(each('cpu_capacity', capacities)).bigCpus).to.deep.equal(big);
    });
  }

  it('counts them by frequency where there is no capacity', () => {
    const frequencies = [1_800_000, 1_800_000, 1_800_000, 1_800_000, 2_400_000, 2_400_000, 2_400_000, 2_400_000];
    expect(machine(each('cpufreq/cpuinfo_max_freq', frequencies)).bigCpus).to.deep.equal([4, 5, 6, 7]);
  });

  it('does not take turbo steps for kinds of cores', () => {
    expect(machine(each('cpufreq/cpuinfo_max_freq', [5_000_000, 4_900_000, 5_100_000, 4_800_000]), 4).threads).to.equal(4);
  });

  it('counts only CPUs of the affinity mask: little ones alone are all big', () => {
    machine(each('cpu_capacity', [290, 290, 290, 290, 1024, 1024, 1024, 1024]));
    expect(lab.topology(root, [0, 1, 2]).threads).to.equal(3);
    expect(lab.topology(root, [2, 3, 7]).bigCpus).to.deep.equal([7]);
  });

  it('ignores capacities that not all CPUs have', () => {
    expect(machine(each('cpu_capacity', [290, 1024]), 4).threads).to.equal(4);
  });

  for (const [name, files, quota] of [
    ['v2, half a CPU more than two', { 'sys/fs/cgroup/cpu.max': '250000 100000\n' }, 3],
    ['v2, none', { 'sys/fs/cgroup/cpu.max': 'max 100000\n' }, 0],
    ['v1', { 'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '400000\n', 'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n' }, 4],
    ['v1, none', { 'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n', 'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n' }, 0],
    ['v2, of a group in a group: the tighter one', {
      'proc/self/cgroup': '1:name=systemd:/x\n0::/outer/inner\n',
      'sys/fs/cgroup/outer/cpu.max': '200000 100000\n',
      'sys/fs/cgroup/outer/inner/cpu.max': '600000 100000\n',
    }, 2],
    ['v2, of the group itself', {
      'proc/self/cgroup': '0::/app.slice\n',
      'sys/fs/cgroup/app.slice/cpu.max': '50000 100000\n',
    }, 1],
    ['damaged', { 'sys/fs/cgroup/cpu.max': 'what\n', 'proc/self/cgroup': 'no colons' }, 0],
  ] as const) {
    it(`is cut to the quota of control groups: ${name}`, () => {
      const { quota: found, threads } = machine(files);
      expect(found).to.equal(quota);
      expect(threads).to.equal(quota === 0 ? 8 : quota);
    });
  }

  describe('and the CPUs that they keep to', () => {
    const bigLittle = each('cpu_capacity', [290, 290, 290, 290, 1024, 1024, 1024, 1024]);
    const online = (list: string): Record<string, string> => ({ 'sys/devices/system/cpu/online': list });

    it('are the big ones where there are others', () => {
      expect(machine({ ...bigLittle, ...online('0-7\n') }).pinnedCpus).to.deep.equal([4, 5, 6, 7]);
    });

    it('are the big ones where a quota allows fewer threads', () => {
      const { threads, pinnedCpus } = machine({ ...bigLittle, ...online('0-7\n'), 'sys/fs/cgroup/cpu.max': '200000 100000\n' });
      expect({ threads, pinnedCpus }).to.deep.equal({ threads: 2, pinnedCpus: [4, 5, 6, 7] });
    });

    it('are any where all CPUs are alike', () => {
      expect(machine({ ...each('cpu_capacity', Array<number>(8).fill(1024)), ...online('0-7\n') }).pinnedCpus).to.deep.equal([]);
    });

    it('are any where the affinity mask leaves out a CPU that is online', () => {
      machine({ ...bigLittle, ...online('0-7\n') });
      expect(lab.topology(root, [0, 1, 2, 4, 5, 6, 7])).to.deep.include({ bigCpus: [4, 5, 6, 7], threads: 4, pinnedCpus: [] });
    });

    it('are the big ones where the mask leaves out a CPU that is off', () => {
      machine({ ...bigLittle, ...online('0-2,4,6-7\n') });
      expect(lab.topology(root, [0, 1, 2, 4, 5, 6, 7]).pinnedCpus).to.deep.equal([4, 5, 6, 7]);
    });

    for (const [name, files] of [['missing', {}], ['damaged', online('what')], ['out of range', online('0-99999999999')]] as const) {
      it(`are any where the list of CPUs that are online is ${name}`, () => {
        expect(machine({ ...bigLittle, ...files })).to.deep.include({ threads: 4, pinnedCpus: [] });
      });
    }
  });
});
