// SPDX-License-Identifier: Apache-2.0
// The package as other projects see it: its types from ESM and from CommonJS, without node's own types, and the examples.

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
export async function judge(text: string): Promise<string[]> {
  const messages: MessageInput[] = [{ role: 'user', content: text }];
  const guard: LlamaGuard = await LlamaGuard.load('model', { threads: 1 });
  try {
    const result: ModerationResult = await guard.moderate(messages, { threshold: 0.3, exclude: ['S5'] });
    // @ts-expect-error a misspelt option
    await guard.moderate(text, { treshold: 0.3 });
    // @ts-expect-error verdicts are safe and unsafe
    if (result.verdict === 'fine') return [];
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
  this.timeout(60_000);
  let folder: string;

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'lg-consumer-'));
    mkdirSync(path.join(folder, 'node_modules'));
    symlinkSync(process.cwd(), path.join(folder, 'node_modules', 'llama-guard-int4'), 'dir');
  });

  after(() => rmSync(folder, { recursive: true }));

  for (const file of ['consumer.mts', 'consumer.cts']) {
    it(`gets types in ${file}`, () => {
      writeFileSync(path.join(folder, file), `import { ${names}\n${use}`);
      const compilerOptions = { noEmit: true, strict: true, module: 'nodenext', target: 'es2022', lib, types: [] };
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
