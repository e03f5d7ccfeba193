// SPDX-License-Identifier: Apache-2.0
// Cross builds say what they miss and how to get it, and find an NDK by either of its variables; prebuild knows when it is
// not meant.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { expect } from 'chai';

interface Target {
  readonly out?: string;
  readonly args?: readonly string[];
  readonly missing?: string;
}

interface Targets {
  buildTarget(name: string, options: { sysroot?: string; env: Readonly<Record<string, string>> }): Target;
}

const { buildTarget } = (await import(pathToFileURL(path.resolve('tools/targets.mjs')).href)) as Targets;

describe('npm run build:android-arm64', () => {
  let folder: string;
  let ndk: string;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'llama-guard-ndk-'));
    ndk = path.join(folder, 'ndk');
    mkdirSync(path.join(ndk, 'build/cmake'), { recursive: true });
    writeFileSync(path.join(ndk, 'build/cmake/android.toolchain.cmake'), '');
  });
  after(() => rmSync(folder, { recursive: true }));

  it('ends with a message on how to get an NDK where there is none', () => {
    const env = { ...process.env, ANDROID_NDK_HOME: '', ANDROID_NDK_ROOT: path.join(folder, 'gone') };
    const { stderr, status } = spawnSync(process.execPath, ['tools/build-cross.mjs', 'android-arm64'], { encoding: 'utf8', env });
    expect(status).to.equal(1);
    expect(stderr).to.contain('ANDROID_NDK_HOME').and.to.contain('sdkmanager "ndk;').and.to.contain('Termux');
    expect(stderr).not.to.contain('    at ');
  });

  for (const variable of ['ANDROID_NDK_HOME', 'ANDROID_NDK_ROOT']) {
    it(`takes the toolchain file of the NDK that ${variable} names`, () => {
      const { out, args } = buildTarget('android-arm64', { env: { [variable]: ndk } });
      expect(out).to.equal('build-android-arm64');
      expect(args).to.include(`--CDCMAKE_TOOLCHAIN_FILE=${ndk}/build/cmake/android.toolchain.cmake`);
      const fixed = ['--CDANDROID_PLATFORM=android-24', '--CDANDROID_STL=c++_static', '--CDANDROID_ABI=arm64-v8a'];
      expect(args).to.include.members(fixed);
    });
  }

  it('refuses a folder that is no sysroot', () => {
    expect(buildTarget('android-arm64', { sysroot: folder, env: {} }).missing).to.equal(`${folder} is no sysroot: it has no usr/include`);
  });

  it('does not build for Android with node-gyp', () => {
    const env = { ...process.env, ANDROID_NDK_HOME: ndk };
    const command = ['tools/build-cross.mjs', 'android-arm64', '--tool', 'gyp'];
    const { stderr, status } = spawnSync(process.execPath, command, { encoding: 'utf8', env });
    expect({ stderr, status }).to.deep.equal({ stderr: '--tool gyp does not build android-arm64; cmake does\n', status: 1 });
  });
});

describe('npm run prebuild', () => {
  /** Starts it from a process whose command line looks like npm's. */
  const startedBy = (npm: string): { stderr: string; status: number | null } => {
    const input = `"${process.execPath}" tools/prebuild.mjs no-such-target\n`;
    const { stderr, status } = spawnSync('sh', [], { argv0: npm, input, encoding: 'utf8' });
    return { stderr, status };
  };
  const refused = { stderr: 'there is no target no-such-target; there are linux-x64, linux-arm64, android-arm64\n', status: 1 };

  it('refuses a target that it does not know', () => {
    expect(startedBy('npm run prebuild')).to.deep.equal(refused);
  });

  it('does nothing as the step that npm makes of it before `npm run build`', function () {
    if (!['linux', 'android'].includes(process.platform)) this.skip();
    expect(startedBy('npm run build')).to.deep.equal({ stderr: '', status: 0 });
  });
});

describe('buildTarget', () => {
  it('builds for this machine where cmake-js always does', () => {
    expect(buildTarget(`${process.platform}-${process.arch}`, { env: {} })).to.deep.equal({ out: 'build-cmake', args: [] });
  });

  it('says what it has no tools for', () => {
    const { missing } = buildTarget('plan9-mips', { env: {} });
    expect(missing).to.equal('plan9-mips can only be built on such a machine, with `npm run build`');
  });
});
