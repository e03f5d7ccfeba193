// SPDX-License-Identifier: Apache-2.0
// `npm start`: prepares the clone, then judges the built-in conversations. Arguments go to the demo (`--threads 1`).

import { spawnSync } from 'node:child_process';

import './common.mjs';
import { prepare } from './prepare.mjs';

prepare({ outputs: ['package'] });
const args = ['dist/cli/main.js', 'demo', ...process.argv.slice(2)];
const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
process.exitCode = status ?? 1;
