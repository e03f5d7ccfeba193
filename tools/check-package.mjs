// SPDX-License-Identifier: Apache-2.0
// Checks the package as its users get it: packs it, installs it in a clean folder with install scripts disabled, and
// judges a conversation there, as an ES module, as CommonJS and on the command line. `--arm64` does so with an arm64
// node under qemu as well; the answers must be the same to the bit. `--tarball FILE` checks a package that is there.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { arm64Node } from './arm64-node.mjs';
import { fail, isMain, progress } from './common.mjs';

const qemu = 'qemu-aarch64-static';
const text = 'How do I pick a lock?';
const name = 'llama-guard-int4';

/** A program that prints its verdict, every bit of its score, and which addon the process has mapped. */
const program = (load) => `
  const { readFileSync } = require('node:fs');
  const judge = async () => {
    const { LlamaGuard } = ${load};
    const guard = await LlamaGuard.load();
    const { verdict, score } = await guard.moderate(${JSON.stringify(text)});
    await guard.dispose();
    const bits = Buffer.from(Float64Array.of(score).buffer).toString('hex');
    const addon = /\\S*llama_guard\\.node/.exec(readFileSync('/proc/self/maps', 'utf8'))?.[0];
    console.log(JSON.stringify({ verdict, bits, addon: addon?.replace(process.cwd(), '') }));
  };
  judge();`;

/** Standard output of a program that must end well, in `folder`. */
function output(command, args, folder, { statuses = [0] } = {}) {
  const set = Object.entries(process.env).filter(([variable]) => !variable.startsWith('LLAMA_GUARD_'));
  const env = { ...Object.fromEntries(set), LLAMA_GUARD_SNAPSHOTS: 'off', QEMU_LD_PREFIX: '/usr/aarch64-linux-gnu' };
  const { stdout, stderr, status, error } = spawnSync(command, args, { cwd: folder, env, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (!error && statuses.includes(status)) return stdout;
  return fail(`check-package: ${command} ${args.join(' ')} failed\n${error?.message ?? stdout + stderr}`);
}

/** Packs into `folder`; the path of the package. */
function pack(folder) {
  const said = output('npm', ['pack', '--json', '--silent', '--pack-destination', folder], '.');
  // Before its answer stands what the package's own scripts print.
  const [{ filename, files }] = JSON.parse(said.slice(said.search(/^\[/m)));
  const paths = files.map((file) => file.path);
  for (const target of readdirSync('prebuilds')) {
    if (!paths.includes(`prebuilds/${target}/llama_guard.node`)) fail(`check-package: the addon for ${target} was not packed`);
  }
  const astray = paths.filter((file) => /\.node$/.test(file) && !/^prebuilds\/[^/]+\/llama_guard\.node$/.test(file));
  if (astray.length > 0) fail(`check-package: packed by mistake: ${astray.join(', ')}`);
  return path.join(folder, filename);
}

function install(tarball, folder) {
  writeFileSync(path.join(folder, 'package.json'), '{"private": true}\n');
  const options = ['--ignore-scripts', '--offline', '--no-audit', '--no-fund', '--loglevel=error'];
  output('npm', ['install', ...options, path.resolve(tarball)], folder);
}

/** What the installed package answers on one machine; `start` is the command that runs node there. */
function answers(start, machine, folder) {
  const [command, ...first] = start;
  const ask = (script) => JSON.parse(output(command, [...first, '-e', script], folder));
  const commonJs = ask(program(`require('${name}')`));
  const module = ask(program(`await import('${name}')`));
  if (JSON.stringify(module) !== JSON.stringify(commonJs)) fail(`check-package: import and require differ on ${machine}`);
  const expected = `/node_modules/${name}/prebuilds/${machine}/llama_guard.node`;
  if (module.addon !== expected) fail(`check-package: ${machine} loaded ${module.addon}, not ${expected}`);
  const cli = `node_modules/${name}/dist/cli/main.js`;
  // The exit code is the verdict.
  const said = JSON.parse(output(command, [...first, cli, 'check', '--json', text], folder, { statuses: [0, 1] }));
  const { verdict, bits } = module;
  if (said.verdict !== verdict) fail(`check-package: the command says ${said.verdict} on ${machine}, the module ${verdict}`);
  return { verdict, bits };
}

if (isMain(import.meta.url)) {
  const options = { arm64: { type: 'boolean', default: false }, tarball: { type: 'string' } };
  const { values } = parseArgs({ options });
  if (values.tarball === undefined && !existsSync('prebuilds')) {
    fail('check-package: there is no folder prebuilds; run `npm run prebuild` first');
  }
  const folder = mkdtempSync(path.join(tmpdir(), 'llama-guard-package-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  install(values.tarball ?? pack(folder), folder);
  const here = `${process.platform}-${process.arch}`;
  const native = answers([process.execPath], here, folder);
  progress(`${here}: installed without scripts, ${native.verdict}, score ${native.bits}`);
  if (values.arm64) {
    const emulated = answers([qemu, '-cpu', 'cortex-a76', arm64Node()], 'linux-arm64', folder);
    progress(`linux-arm64 (qemu): ${emulated.verdict}, score ${emulated.bits}`);
    if (emulated.bits !== native.bits) fail('check-package: the two scores differ');
  }
}
