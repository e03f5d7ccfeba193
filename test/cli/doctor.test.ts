// SPDX-License-Identifier: Apache-2.0
// llama-guard doctor: on made-up machines, with and without a binary, as text and as JSON.

import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import { examine } from '../../lib/cli/doctor/examine.js';
import type { DoctorReport } from '../../lib/cli/doctor/report.js';
import type { DoctorSources } from '../../lib/cli/doctor/sources.js';
import { reportText } from '../../lib/cli/doctor/text.js';
import { LlamaGuardError } from '../../lib/errors/index.js';
import type { SelfTestLine, Topology } from '../../lib/native/addon.js';
import { loadAddon } from '../../lib/native/load-addon.js';
import { runCli } from '../support/cli.js';
import { FakeAddon } from '../support/fake-addon.js';

/** The auxiliary vector of a process with these pages: a type and a value of 64 bits each. */
function auxv(pageBytes: number): Buffer {
  const words = BigUint64Array.of(33n, 0x7000n, 6n, BigInt(pageBytes), 0n, 0n);
  return Buffer.from(words.buffer);
}

function armCpu(processor: number, part: string): string {
  const features = 'fp asimd aes crc32 asimddp i8mm';
  return `processor\t: ${processor}\nFeatures\t: ${features}\nCPU implementer\t: 0x41\nCPU part\t: ${part}\n`;
}

/** A phone with four little cores and two big ones, in the words of its kernel. */
const phone: Readonly<Record<string, string | Buffer>> = {
  'proc/cpuinfo': [
    ...[0, 1, 2, 3].map((cpu) => armCpu(cpu, '0xd05')),
    ...[4, 5].map((cpu) => armCpu(cpu, '0xd41')),
    'Hardware\t: Some Phone\n',
  ].join('\n'),
  'proc/self/status': 'Name:\tnode\nCpus_allowed:\t3e\nCpus_allowed_list:\t1-3,5\n',
  'proc/self/auxv': auxv(16_384),
  'proc/meminfo': 'MemTotal:        4000000 kB\nMemFree:          100000 kB\nMemAvailable:    1000000 kB\n',
  ...Object.fromEntries(
    [1_800_000, 1_800_000, 1_800_000, 1_800_000, 2_400_000, 2_400_000].map((kHz, cpu) => [
      `sys/devices/system/cpu/cpu${cpu}/cpufreq/cpuinfo_max_freq`,
      `${kHz}\n`,
    ]),
  ),
  'sys/devices/system/cpu/online': '0-5\n',
};

class PhoneAddon extends FakeAddon {
  override topology() {
    return { usableCpus: [1, 2, 3, 5], bigCpus: [5], cpuQuota: 0, defaultThreads: 1, pinnedCpus: [] };
  }
}

class BrokenAddon extends FakeAddon {
  override async selfTest(): Promise<SelfTestLine[]> {
    const wrong = { family: 'softmax', kernel: 'softmax_1x16_avx2', isa: 'avx2', health: 'differs' } as const;
    return [...(await super.selfTest()), wrong];
  }
}

describe('llama-guard doctor', function () {
  this.timeout(60_000);
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'lg-doctor-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function sources(files: Readonly<Record<string, string | Buffer>>, changes: Partial<DoctorSources> = {}): DoctorSources {
    for (const [name, content] of Object.entries(files)) {
      const file = path.join(root, name);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, content);
    }
    return {
      root,
      platform: 'android',
      arch: 'arm64',
      release: '5.10.1',
      node: 'v24.0.0',
      glibc: undefined,
      musl: false,
      home: path.join(root, 'home'),
      env: { LLAMA_GUARD_SNAPSHOTS: path.join(root, 'home', 'saved') },
      memoryLimit: undefined,
      availableMemory: undefined,
      loadAddon: () => new PhoneAddon(),
      loadedFrom: () => path.join(root, 'home', 'pkg', 'llama_guard.node'),
      ...changes,
    };
  }

  it('reports a phone field by field', async () => {
    const report = await examine(sources(phone), undefined);
    expect(report).to.deep.include({
      platform: 'android',
      arch: 'arm64',
      system: '5.10.1',
      libc: { name: 'bionic', version: null },
      node: 'v24.0.0',
      cpu: 'Some Phone',
      cpuFeatures: ['asimd', 'asimddp', 'i8mm'],
      clusters: [
        { cpus: [4, 5], maxMHz: 2400, capacity: null, core: 'Cortex-A78' },
        { cpus: [0, 1, 2, 3], maxMHz: 1800, capacity: null, core: 'Cortex-A55' },
      ],
      affinity: [1, 2, 3, 5],
      pageBytes: 16_384,
      memory: { totalBytes: 4_096_000_000, availableBytes: 1_024_000_000, limitBytes: null },
      binary: { path: '~/pkg/llama_guard.node', error: null },
      threads: { default: 1, reason: '1 of 4 CPUs that this process may use, the big ones', bigCpus: [5], pinnedCpus: [], cpuQuota: null },
      selfTest: [{ family: 'softmax', kernel: 'softmax_1x16_scalar', isa: 'scalar', health: 'equal' }],
      // 10^10 bytes a second over 313,091,712 bytes of weights.
      readBandwidth: { bytesPerS: 1e10, threads: 1, estimatedTokensPerS: 31.9 },
      problems: [],
      warnings: [],
      ok: true,
    });
    // The demo model stands for the full-size one: weights, 4096 tokens of 24,576 bytes, and 100 MB.
    expect(report.model).to.deep.include({ demo: true, neededBytes: 313_091_712 + 4096 * 24_576 + 100e6, error: null });
    expect(report.model.snapshots).to.deep.equal({ path: '~/saved', state: 'usable' });
  });

  it('names no user: the home folder is ~ in text and JSON', async () => {
    const report = await examine(sources(phone), path.join(root, 'home', 'no-model'));
    for (const text of [JSON.stringify(report), reportText(report)]) {
      expect(text).to.contain('~/no-model').and.not.to.contain(path.join(root, 'home'));
    }
  });

  it('writes the report as aligned text', async () => {
    const text = reportText(await examine(sources(phone), undefined));
    for (const line of [
      'platform    android-arm64, kernel 5.10.1, bionic',
      'features    asimd asimddp i8mm',
      'cores       2 (4-5): Cortex-A78, 2400 MHz',
      '            4 (0-3): Cortex-A55, 1800 MHz',
      'usable CPUs 1-3,5',
      'memory      1024.0 MB free of 4096.0 MB; needs about 513.8 MB',
      'kernels     scalar (amx), those in brackets not on this CPU',
      'self-test   kernels: 1 equal, 0 different, 0 not on this CPU',
      'read rate   10.0 GB/s with 1 thread(s); estimate for the full-size model: at most 31.9 tokens/s',
      'Nothing prevents running.',
    ]) {
      expect(text.split('\n')).to.include(line);
    }
  });

  it('takes the tightest bound on memory, and warns where it is short', async () => {
    const report = await examine(sources(phone, { memoryLimit: 600e6, availableMemory: 450e6 }), undefined);
    expect(report.memory).to.deep.equal({ totalBytes: 4_096_000_000, availableBytes: 450e6, limitBytes: 600e6 });
    expect(report.warnings).to.deep.equal(['Memory is short: 450.0 MB free, about 513.8 MB needed']);
    expect(report.ok).to.equal(true);
  });

  it('tells glibc and musl apart', async () => {
    const of = async (changes: Partial<DoctorSources>): Promise<unknown> =>
      (await examine(sources({}, { platform: 'linux', ...changes }), undefined)).libc;
    expect(await of({ glibc: '2.36' })).to.deep.equal({ name: 'glibc', version: '2.36' });
    expect(await of({})).to.deep.equal({ name: 'unknown', version: null });
    expect(await of({ musl: true })).to.deep.equal({ name: 'musl', version: null });
  });

  it('says so where the system tells nothing', async () => {
    const report = await examine(sources({}), undefined);
    expect(report).to.deep.include({ cpu: null, cpuFeatures: [], clusters: [], affinity: null, pageBytes: null, ok: true });
    expect(report.memory).to.deep.equal({ totalBytes: null, availableBytes: null, limitBytes: null });
    expect(reportText(report)).to.contain('usable CPUs not told\n').and.to.contain('an unknown amount free');
  });

  it('finds a kernel that differs', async () => {
    const report = await examine(sources(phone, { loadAddon: () => new BrokenAddon() }), undefined);
    expect(report.ok).to.equal(false);
    expect(report.problems).to.have.lengthOf(1);
    expect(report.problems[0]).to.contain('softmax_1x16_avx2').and.not.to.contain('softmax_1x16_scalar');
    expect(reportText(report)).to.contain('This cannot run as it is.');
  });

  it('reports the machine where no binary can be loaded', async () => {
    const loadFails = () => {
      throw new LlamaGuardError('ERR_LLAMA_GUARD_NO_BINARY', 'Tried:\n  /a: no such file');
    };
    const report = await examine(sources(phone, { loadAddon: loadFails }), undefined);
    expect(report).to.deep.include({ isas: [], threads: null, selfTest: [], readBandwidth: null, ok: false, cpu: 'Some Phone' });
    expect(report.binary.path).to.equal(null);
    expect(report.problems).to.deep.equal([report.binary.error]);
    expect(reportText(report)).to.match(/^problem {5}Tried:\n {14}\/a: no such file/m);
  });

  it('examines the model folder', async () => {
    const report = await examine(sources(phone), path.join(root, 'nothing'));
    expect(report.ok).to.equal(false);
    expect(report.model).to.deep.include({ weightBytes: null, demo: false });
    expect(report.problems[0]).to.match(/^ERR_LLAMA_GUARD_MODEL_NOT_FOUND: /);
  });

  it('has the addon look at the weights: a layer that config.json names and the weights lack', async () => {
    cpSync('models/demo', path.join(root, 'model'), { recursive: true });
    const file = path.join(root, 'model', 'config.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as { model: { layers: number } };
    config.model.layers++;
    writeFileSync(file, JSON.stringify(config));
    const report = await examine(sources(phone, { loadAddon }), path.join(root, 'model'));
    expect(report.problems).to.have.lengthOf(1);
    expect(report.problems[0]).to.match(/^ERR_LLAMA_GUARD_BAD_TENSOR: /);
  });

  for (const [name, value, code] of [
    ['LLAMA_GUARD_ISA', 'sse9', 'UNKNOWN_ISA'],
    ['LLAMA_GUARD_THREADS', 'many', 'INVALID_ARGUMENT'],
  ] as const) {
    it(`finds that ${name}=${value} cannot be used`, async () => {
      const report = await examine(sources(phone, { loadAddon, env: { [name]: value, LLAMA_GUARD_SNAPSHOTS: 'off' } }), undefined);
      expect(report.problems).to.have.lengthOf(1);
      expect(report.problems[0]).to.match(new RegExp(`^ERR_LLAMA_GUARD_${code}: `));
    });
  }

  it('tells why there are so many threads', async () => {
    const of = async (changes: Partial<Topology>): Promise<string | undefined> => {
      const topology = { usableCpus: [0, 1, 2, 3], bigCpus: [0, 1, 2, 3], cpuQuota: 0, defaultThreads: 4, pinnedCpus: [], ...changes };
      const addon = Object.assign(new FakeAddon(), { topology: () => topology });
      return (await examine(sources({}, { loadAddon: () => addon }), undefined)).threads?.reason;
    };
    const usable = '4 CPUs that this process may use';
    expect(await of({})).to.equal(`4 of ${usable}`);
    expect(await of({ cpuQuota: 2, defaultThreads: 2 })).to.equal(`4 of ${usable}, cut to the quota of 2`);
    expect(await of({ bigCpus: [2, 3], defaultThreads: 2, pinnedCpus: [2, 3] })).to.equal(
      `2 of ${usable}, the big ones, which threads keep to`,
    );
  });

  it('says where computed policies go, without writing there', async () => {
    const saved = path.join(root, 'saved');
    const of = async (folder: string) =>
      (await examine(sources({ file: '' }, { env: { LLAMA_GUARD_SNAPSHOTS: folder } }), undefined)).model.snapshots;
    expect(await of(path.join(saved, 'deep'))).to.deep.equal({ path: path.join(saved, 'deep'), state: 'usable' });
    expect(await of('off')).to.deep.equal({ path: null, state: 'off' });
    expect((await of(path.join(root, 'file', 'below'))).state).to.equal('not usable');
    expect(readdirSync(root)).not.to.include('saved');
  });

  it('passes over a folder beside the model that anyone can write', async () => {
    const model = path.join(root, 'model');
    const of = async () => (await examine(sources({}, { env: { XDG_CACHE_HOME: path.join(root, 'cache') } }), model)).model.snapshots;
    cpSync('models/demo', model, { recursive: true, filter: (file) => path.basename(file) !== 'snapshots' });
    expect(await of()).to.deep.equal({ path: path.join(model, 'snapshots'), state: 'usable' });
    mkdirSync(path.join(model, 'snapshots'));
    chmodSync(path.join(model, 'snapshots'), 0o777);
    expect(await of()).to.deep.equal({ path: path.join(root, 'cache', 'llama-guard-int4', 'snapshots'), state: 'usable' });
  });

  it('--json prints one object about this machine, and the exit code is 0', async () => {
    const { code, stdout, stderr } = await runCli(['doctor', '--json']);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    const report = JSON.parse(stdout) as DoctorReport;
    expect(report).to.deep.include({ ok: true, node: process.version, platform: process.platform, arch: process.arch, problems: [] });
    expect(report.binary.path).to.match(/llama_guard\.node$/);
    expect(report.isas[0]).to.deep.equal({ name: 'scalar', supported: true });
    expect(report.selfTest.filter(({ health }) => health === 'differs')).to.deep.equal([]);
    expect(report.selfTest.filter(({ health }) => health === 'equal')).to.have.length.at.least(8);
    expect(report.threads!.default).to.be.at.least(1);
    expect(report.readBandwidth!.bytesPerS).to.be.greaterThan(0);
    expect(report.model).to.deep.include({ demo: true, error: null });
  });

  it('prints text, and ends with 2, where the binary is missing', async () => {
    const { code, stdout, stderr } = await runCli(['doctor'], { env: { LLAMA_GUARD_ADDON_DIR: path.join(root, 'none') } });
    expect({ code, stderr }).to.deep.equal({ code: 2, stderr: '' });
    expect(stdout).to.match(/^binary +none$/m).and.to.match(/^problem +/m).and.to.contain('no such file');
  });
});
