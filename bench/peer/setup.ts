// SPDX-License-Identifier: Apache-2.0
// What the comparison needs outside the repository: node-llama-cpp in a folder of its own, and both models. All of it is
// made once and used again.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import path from 'node:path';

import { synthesize } from '../../lib/convert/synth.js';
import { peerModelName, writePeerModel } from './gguf.js';

const hidden = '.hidden';

export interface Setup {
  readonly install: string;
  readonly gguf: string;
  readonly model: string;
  readonly peerVersion: string;
}

/** `model` undefined: a synthetic one. */
export async function setUp(folder: string, version: string, model: string | undefined): Promise<Setup> {
  mkdirSync(folder, { recursive: true });
  const peerVersion = installPeer(folder, version);
  const gguf = path.join(folder, peerModelName());
  if (!existsSync(gguf)) {
    note('Writing a model for the peer, 337 MB');
    await writePeerModel(gguf);
  }
  const synthetic = path.join(folder, 'synthetic');
  if (model === undefined && !existsSync(synthetic)) {
    note('Writing our model, 449 MB');
    await synthesize(synthetic);
  }
  return { install: folder, gguf, model: model ?? synthetic, peerVersion };
}

/** Only the package and the library for this platform: the others are for GPUs and hundreds of megabytes. */
function installPeer(folder: string, wanted: string): string {
  const manifest = path.join(folder, 'node_modules/node-llama-cpp/package.json');
  const installed = (): string => (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
  if (existsSync(manifest) && installed() === wanted) return wanted;
  note(`Installing node-llama-cpp ${wanted} in ${folder}`);
  const packages = [`node-llama-cpp@${wanted}`, `@node-llama-cpp/${libraryName()}@${wanted}`];
  const options = ['--omit=optional', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env['npm_execpath'];
  const [program, first] = npm?.endsWith('npm-cli.js') === true ? [process.execPath, [npm]] : ['npm', []];
  const { status } = spawnSync(program, [...first, 'install', '--prefix', folder, ...options, ...packages], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, NODE_LLAMA_CPP_SKIP_DOWNLOAD: 'true' },
  });
  if (status !== 0) throw new Error('npm could not install node-llama-cpp');
  return installed();
}

function libraryName(): string {
  const system = { darwin: 'mac', win32: 'win' }[process.platform as string] ?? process.platform;
  return `${system}-${process.arch}${system === 'mac' && process.arch === 'arm64' ? '-metal' : ''}`;
}

/**
 * llama.cpp takes the best of its libraries for a CPU (libggml-cpu-<name>.so). Hides all but `name`, all visible again
 * where it is undefined. Returns the names that there are.
 */
export function choosePeerCpu(install: string, name: string | undefined): string[] {
  const folder = path.join(install, 'node_modules/@node-llama-cpp', libraryName(), 'bins', libraryName());
  const library = /^(?:lib)?ggml-cpu-(\w+)\.(?:so|dll|dylib)(\.hidden)?$/;
  const found = readdirSync(folder).flatMap((file) => {
    const match = library.exec(file);
    return match === null ? [] : [{ file, name: match[1]!, isHidden: match[2] === hidden }];
  });
  const names = found.map((entry) => entry.name);
  if (name !== undefined && !names.includes(name)) throw new Error(`the peer has libraries for ${names.join(', ')}, not ${name}`);
  for (const { file, name: own, isHidden } of found) {
    const shouldHide = name !== undefined && own !== name;
    if (shouldHide === isHidden) continue;
    const renamed = shouldHide ? `${file}${hidden}` : file.slice(0, -hidden.length);
    renameSync(path.join(folder, file), path.join(folder, renamed));
  }
  return names;
}

function note(text: string): void {
  process.stderr.write(`> ${text}\n`);
}
