// SPDX-License-Identifier: Apache-2.0
// Help texts, and that nothing misspelt is taken in silence. docs/cli.md must hold the help texts as they are.

import { readFileSync } from 'node:fs';

import { expect } from 'chai';

import { runCli } from '../support/cli.js';

const commands = ['check', 'convert', 'info', 'doctor', 'bench', 'demo', 'synth'];

describe('command line', function () {
  this.timeout(20_000);

  it('prints help for the whole and for each command, and exits with 0', async () => {
    const doc = readFileSync('docs/cli.md', 'utf8');
    for (const args of [['--help'], ...commands.map((command) => [command, '--help'])]) {
      const { code, stdout, stderr } = await runCli(args);
      expect(code, args.join(' ')).to.equal(0);
      expect(stderr).to.equal('');
      expect(stdout).to.match(/^Usage: llama-guard /);
      expect(doc, `docs/cli.md on ${args.join(' ')}`).to.contain(stdout.trim());
    }
  });

  it('lists every command in its help', async () => {
    const { stdout } = await runCli(['--help']);
    for (const command of commands) expect(stdout).to.match(new RegExp(`^  ${command}  +\\w`, 'm'));
  });

  it('prints its version', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(await runCli(['--version'])).to.deep.equal({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  const mistakes: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /^Usage: /],
    [['chek', 'hello'], /Unknown command "chek"/],
    [['check', '--treshold', '0.3', 'hello'], /'--treshold'/],
    [['check', 'two', 'texts'], /quotes/],
    [['check', 'hello', '--threshold', 'high'], /--threshold must be a number, found "high"/],
    [['check', 'hello', '--threads', '1.5'], /--threads must be an integer from 0 to 256/],
    [['check', 'hello', '--output', 'x'], /--output needs --input/],
    [['check', 'hello', '--input', 'x'], /do not go together/],
    [['check', '--conversation', 'x', '--text'], /do not go together/],
    [['check', '--model'], /--model/],
    [['convert', 'only-one'], /a source folder and an output folder/],
    [['convert', 'a', 'b', '--group', '256x'], /--group must be a number/],
    [['synth'], /an output folder/],
    [['info', 'extra'], /--model/],
    [['doctor', 'extra'], /--model/],
    [['bench', 'a', '--model', 'b'], /once/],
    [['bench', '--runs', '0'], /--runs must be an integer from 1 to 1000/],
    [['demo', 'extra'], /built in/],
  ];
  for (const [args, message] of mistakes) {
    it(`refuses \`${['llama-guard', ...args].join(' ')}\` with exit code 2`, async () => {
      const { code, stdout, stderr } = await runCli(args);
      expect(code).to.equal(2);
      expect(stderr).to.match(message);
      expect(stderr).not.to.contain('    at ');
      expect(stdout.split('\n').filter((line) => /verdict|safe/.test(line))).to.deep.equal([]);
    });
  }
});
