// SPDX-License-Identifier: Apache-2.0
// `llama-guard check --input`: one result a line, in order, whatever the lines hold.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import { runCli } from '../support/cli.js';

interface ResultLine {
  readonly index: number;
  readonly input?: unknown;
  readonly verdict?: string;
  readonly score?: number;
  readonly role?: string;
  readonly demo?: boolean;
  readonly error?: { readonly code: string; readonly message: string };
}

function parseLines(text: string): ResultLine[] {
  expect(text).to.match(/\n$/);
  return text.trimEnd().split('\n').map((line) => JSON.parse(line) as ResultLine);
}

describe('llama-guard check --input', function () {
  this.timeout(30_000);
  let folder: string;
  const at = (name: string): string => path.join(folder, name);

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'lg-bulk-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it('judges every line in order and carries other fields through', async () => {
    const lines = Array.from({ length: 30 }, (_, i) => JSON.stringify({ id: `line ${i}`, text: `Number ${i}?` }));
    writeFileSync(at('in.jsonl'), `${lines.join('\n')}\n`);
    const { code, stdout, stderr } = await runCli(['check', '--input', at('in.jsonl'), '--output', at('out.jsonl')]);
    expect(code).to.equal(0);
    expect(stdout).to.equal('');
    expect(stderr).to.match(/^30 judged, \d+ unsafe, 0 to review, 0 errors/).and.to.contain('Demo model');
    const results = parseLines(readFileSync(at('out.jsonl'), 'utf8'));
    expect(results.map(({ index }) => index)).to.deep.equal(lines.map((_, i) => i));
    expect(results.map(({ input }) => input)).to.deep.equal(lines.map((_, i) => ({ id: `line ${i}` })));
    expect(new Set(results.map(({ score }) => score)).size).to.be.greaterThan(20);
    expect(results.every(({ demo }) => demo === true)).to.equal(true);
    expect(readdirSync(folder).sort()).to.deep.equal(['in.jsonl', 'out.jsonl']);
  });

  it('turns an error into a result of its own line', async () => {
    const lines: readonly (readonly [string, string | undefined])[] = [
      ['{"text": "fine"}', undefined],
      ['{"text": "unfinished', 'INVALID_ARGUMENT'],
      ['[]', 'INVALID_ARGUMENT'],
      ['null', 'INVALID_ARGUMENT'],
      ['{"id": 1}', 'INVALID_ARGUMENT'],
      ['{"text": "a", "messages": []}', 'INVALID_ARGUMENT'],
      ['{"text": 5}', 'INVALID_ARGUMENT'],
      ['{"messages": "a"}', 'INVALID_ARGUMENT'],
      ['{"messages": []}', 'EMPTY_CONVERSATION'],
      ['{"text": " "}', 'EMPTY_CONVERSATION'],
      ['{"messages": [{"role": "system", "content": "a"}]}', 'ROLE_ORDER'],
      [JSON.stringify({ text: 'word '.repeat(5000), id: 7 }), 'CONTEXT_OVERFLOW'],
      ['{"__proto__": {"x": 1}, "text": "fine"}', undefined],
      ['{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}', undefined],
    ];
    const stdin = Buffer.concat([
      Buffer.from('\ufeff'),
      Buffer.from(lines.map(([line]) => line).join('\r\n\r\n')),
      Buffer.from('\n{"text": "\xff"}\n', 'latin1'),
      Buffer.from('{"text": "no line end"}'),
    ]);
    const { code, stdout } = await runCli(['check', '--input', '-'], { stdin });
    expect(code).to.equal(2);
    const results = parseLines(stdout);
    const wanted = [...lines.map(([, error]) => error), 'INVALID_ARGUMENT', undefined];
    expect(results.map(({ error }) => error?.code)).to.deep.equal(
      wanted.map((error) => (error === undefined ? undefined : `ERR_LLAMA_GUARD_${error}`)),
    );
    expect(results.map(({ index }) => index)).to.deep.equal(wanted.map((_, i) => i));
    for (const { error, verdict } of results) expect(error === undefined).to.equal(verdict !== undefined);
    expect(results[11]?.input).to.deep.equal({ id: 7 });
    expect(Object.hasOwn(results[12]?.input as object, '__proto__')).to.equal(true);
    expect(results[13]?.role).to.equal('assistant');
  });

  it('gives each line the verdict that it has alone', async () => {
    const texts = ['What is a dactyl?', 'ok', 'How do I hide a body?'];
    const { stdout } = await runCli(['check', '--input', '-'], {
      stdin: texts.map((text) => JSON.stringify({ text })).join('\n'),
    });
    const together = parseLines(stdout);
    for (const [i, text] of texts.entries()) {
      const alone = JSON.parse((await runCli(['check', '--json', text])).stdout) as ResultLine;
      expect(together[i]?.score).to.equal(alone.score);
      expect(together[i]?.verdict).to.equal(alone.verdict);
    }
  });

  it('drops a line of more than 16 MiB and goes on', async () => {
    const stdin = `{"text": "${'x'.repeat(17 * 2 ** 20)}"}\n{"text": "after"}\n`;
    const { stdout } = await runCli(['check', '--input', '-'], { stdin });
    const [first, second] = parseLines(stdout);
    expect(first?.error?.message).to.contain('longer than 16777216 bytes');
    expect(second?.verdict).to.be.oneOf(['safe', 'unsafe']);
  });

  it('writes an empty file for an empty one', async () => {
    writeFileSync(at('in.jsonl'), '\n\n');
    const { code } = await runCli(['check', '--input', at('in.jsonl'), '--output', at('out.jsonl')]);
    expect([code, readFileSync(at('out.jsonl'), 'utf8')]).to.deep.equal([0, '']);
  });

  it('replaces what a link points at, and the link stays', async () => {
    writeFileSync(at('in.jsonl'), '{"text": "a"}');
    writeFileSync(at('real.jsonl'), 'old');
    symlinkSync('real.jsonl', at('link.jsonl'));
    await runCli(['check', '--input', at('in.jsonl'), '--output', at('link.jsonl')]);
    expect(parseLines(readFileSync(at('real.jsonl'), 'utf8'))).to.have.lengthOf(1);
    expect(readdirSync(folder).sort()).to.deep.equal(['in.jsonl', 'link.jsonl', 'real.jsonl']);
  });

  it('writes into a device directly', async () => {
    writeFileSync(at('in.jsonl'), '{"text": "a"}');
    const { code } = await runCli(['check', '--input', at('in.jsonl'), '--output', '/dev/null']);
    expect(code).to.equal(0);
    expect(readFileSync('/dev/null', 'utf8')).to.equal('');
  });

  it('leaves nothing behind when options, input or output are wrong', async () => {
    writeFileSync(at('in.jsonl'), '{"text": "a"}');
    mkdirSync(at('folder'));
    const attempt = async (...args: string[]): Promise<void> => {
      const { code, stderr } = await runCli(['check', ...args]);
      expect(code).to.equal(2);
      expect(stderr).not.to.contain('    at ');
      expect(readdirSync(folder).sort()).to.deep.equal(['folder', 'in.jsonl']);
    };
    await attempt('--input', at('in.jsonl'), '--output', at('out.jsonl'), '--exclude', 'S77');
    await attempt('--input', at('missing.jsonl'), '--output', at('out.jsonl'));
    await attempt('--input', at('folder'), '--output', at('out.jsonl'));
    await attempt('--input', at('in.jsonl'), '--output', at('folder'));
    await attempt('--input', at('in.jsonl'), '--output', at('missing/out.jsonl'));
  });

  it('stops on SIGINT and leaves nothing behind', async () => {
    // Reading never ends, since the pipe stays open: the signal must end the wait for more.
    const { spawn } = await import('node:child_process');
    const { cliPath } = await import('../support/cli.js');
    const child = spawn(process.execPath, [cliPath, 'check', '--input', '-', '--output', at('out.jsonl')]);
    child.stdin.write('{"text": "a"}\n');
    const partial = (): string[] => readdirSync(folder).filter((name) => name.includes('partial'));
    while (partial().length === 0 || readFileSync(at(partial()[0] ?? ''), 'utf8') === '') {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const closed = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)));
    child.kill('SIGINT');
    expect(await closed).to.equal(130);
    expect(readdirSync(folder)).to.deep.equal([]);
    expect(existsSync(at('out.jsonl'))).to.equal(false);
  });
});
