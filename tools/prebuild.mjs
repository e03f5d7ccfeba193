// SPDX-License-Identifier: Apache-2.0
// `npm run prebuild`: compiles the addons that the package brings along, into prebuilds/TARGET/llama_guard.node, and
// checks each. Arguments: the targets; without any, all that can be built on this machine.

import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';

import { buildPrebuilt, requireTarget } from './build-cross.mjs';
import { targets } from './check-binary.mjs';
import { fail, isMain, progress } from './common.mjs';
import { withLock } from './lock.mjs';
import { installPackages } from './prepare.mjs';
import { buildTarget } from './targets.mjs';

/**
 * Whether npm runs this of its own accord: to npm, a script called prebuild is also a step before `npm run build`. Only
 * npm's command line tells the two apart; where the system does not show it, this was asked for.
 */
function isStepOfBuild() {
  for (let pid = process.ppid; existsSync(`/proc/${pid}/cmdline`); pid = parentOf(pid)) {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    if (command.startsWith('npm ')) return !command.includes('prebuild');
  }
  return false;
}

function parentOf(pid) {
  // The second field is the program's name, in parentheses, and may hold anything.
  return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ')[1]);
}

/** The targets asked for, or those that this machine has the tools of. */
function wantedTargets(names) {
  const unknown = names.filter((name) => !(name in targets));
  if (unknown.length > 0) fail(`there is no target ${unknown.join(', ')}; there are ${Object.keys(targets).join(', ')}`);
  if (names.length > 0) return names;
  return Object.keys(targets).filter((name) => {
    const { missing } = buildTarget(name);
    if (missing !== undefined) progress(`${name} is left out: ${missing.split('\n')[0]}`);
    return missing === undefined;
  });
}

if (isMain(import.meta.url) && !isStepOfBuild()) {
  withLock(installPackages);
  for (const name of wantedTargets(process.argv.slice(2))) {
    const target = requireTarget(name);
    progress(`Compiling for ${name}`);
    withLock(() => {
      const file = buildPrebuilt(name, target, { quiet: true });
      mkdirSync(`prebuilds/${name}`, { recursive: true });
      copyFileSync(file, `prebuilds/${name}/llama_guard.node`);
    });
  }
}
