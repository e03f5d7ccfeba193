// SPDX-License-Identifier: Apache-2.0
// The package as other projects see it: its types from ESM and from CommonJS, beside node's own types, and the examples.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

const tsc = path.resolve('node_modules/typescript/bin/tsc');

/** Runs tsc; throws what it printed if it finds a mistake. */
function typeCheck(folder: string, args: readonly string[]): void {
  try {
    execFileSync(process.execPath, [tsc, ...args], { cwd: folder, encoding: 'utf8' });
  } catch (error) {
    throw new Error((error as { stdout: string }).stdout);
  }
}

const use = `
export async function judge(text: string, source: ReadableStream<string>): Promise<string[]> {
  const messages: MessageInput[] = [{ role: 'user', content: text }];
  const guard: LlamaGuard = await LlamaGuard.load('model', { threads: 1 });
  try {
    const result: ModerationResult = await guard.moderate(messages, { threshold: 0.3, exclude: ['S5'] });
    // @ts-expect-error a misspelt option
    await guard.moderate(text, { treshold: 0.3 });
    // @ts-expect-error verdicts are safe and unsafe
    if (result.verdict === 'fine') return [];
    for await (const part of source.pipeThrough(guard.stream({ messages, mode: 'window' }))) console.log(part.length);
    return result.flagged ? result.categories.map(({ code, score }) => code + score.toFixed(2)) : [];
  } catch (error) {
    if (LlamaGuardError.isInstance(error) && error.code === 'ERR_LLAMA_GUARD_CONTEXT_OVERFLOW') return [error.message];
    throw error;
  } finally {
    await guard.dispose();
  }
}
`;
const lib = ['es2022', 'esnext.disposable'];
const names = "LlamaGuard, LlamaGuardError, type MessageInput, type ModerationResult } from 'llama-guard-int4';";

describe('a project that uses the package', function () {
  this.timeout(300_000);
  let folder: string;

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'lg-consumer-'));
    mkdirSync(path.join(folder, 'node_modules'));
    mkdirSync(path.join(folder, 'node_modules', '@types'));
    symlinkSync(process.cwd(), path.join(folder, 'node_modules', 'llama-guard-int4'), 'dir');
    symlinkSync(path.resolve('node_modules/@types/node'), path.join(folder, 'node_modules', '@types', 'node'), 'dir');
  });

  after(() => rmSync(folder, { recursive: true }));

  for (const file of ['consumer.mts', 'consumer.cts']) {
    it(`gets types in ${file}`, () => {
      writeFileSync(path.join(folder, file), `import { ReadableStream } from 'node:stream/web';\nimport { ${names}\n${use}`);
      const compilerOptions = { noEmit: true, strict: true, module: 'nodenext', target: 'es2022', lib, types: ['node'] };
      writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [file] }));
      typeCheck(folder, ['-p', 'tsconfig.json']);
    });
  }

  it('can copy the examples: they have no type errors', () => {
    typeCheck('.', ['-p', 'examples/tsconfig.json']);
  });

  for (const file of readdirSync('examples').filter((name) => /\.[mc]js$/.test(name))) {
    it(`can run examples/${file}`, () => {
      const output = execFileSync(process.execPath, [`examples/${file}`], { encoding: 'utf8' });
      expect(output.trim()).not.to.equal('');
    });
  }
});
