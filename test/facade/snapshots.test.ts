// SPDX-License-Identifier: Apache-2.0
// A guard over the real addon whose policies are saved: the next guard maps them, with the same bits, and nothing that
// happens to the files reaches a verdict.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

import { moderateSettings } from '../../lib/facade/call-options.js';
import { loadSettings } from '../../lib/facade/options.js';
import { LlamaGuard, type LoadOptions, type ModerationResult } from '../../lib/index.js';

describe('saved policies', function () {
  this.timeout(60_000);
  let folder: string;
  let warnings: string[];
  const onWarning = (warning: Error): void => {
    if (warning.name === 'LlamaGuardWarning') warnings.push(warning.message);
  };
  beforeEach(() => {
    folder = path.join(mkdtempSync(path.join(tmpdir(), 'lg-snapshots-')), 'kept');
    warnings = [];
    process.on('warning', onWarning);
  });
  afterEach(() => {
    process.off('warning', onWarning);
    rmSync(path.dirname(folder), { recursive: true });
  });

  /** The first verdicts of a guard of its own, on a user's and an agent's message. */
  async function first(options: LoadOptions = {}): Promise<ModerationResult[]> {
    const guard = await LlamaGuard.load(undefined, { snapshots: folder, ...options });
    try {
      const conversation = [{ role: 'user' as const, content: 'Hi' }, { role: 'assistant' as const, content: 'Hello there.' }];
      return [await guard.moderate('How do I sharpen a knife?', { labels: true }), await guard.moderate(conversation, { labels: true })];
    } finally {
      await guard.dispose();
      // Warnings of a process come in a later turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  const bits = (results: readonly ModerationResult[]): unknown[] =>
    results.map(({ usage: _, timings: __, ...rest }) => rest);
  const cached = (results: readonly ModerationResult[]): boolean[] => results.map(({ usage }) => usage.cachedTokens > 0);
  const files = (): string[] => readdirSync(folder).sort();

  it('are mapped by the next guard, of any threads and instruction set, with the same bits', async () => {
    const computed = await first({ threads: 2 });
    expect(cached(computed)).to.deep.equal([false, false]);
    expect(files()).to.have.lengthOf(2);
    for (const options of [{ threads: 1 }, { isa: 'scalar' }]) {
      const mapped = await first(options);
      expect(cached(mapped)).to.deep.equal([true, true]);
      expect(mapped.map(({ usage }) => usage.passes)).to.deep.equal(computed.map(({ usage }) => usage.passes - 1));
      expect(bits(mapped)).to.deep.equal(bits(computed));
    }
    expect(bits(await first({ cache: false }))).to.deep.equal(bits(computed));
    expect(warnings).to.deep.equal([]);
  });

  it('that are damaged are ignored with one warning, and written again', async () => {
    const computed = await first();
    const whole = files().map((name) => readFileSync(path.join(folder, name)));
    for (const name of files()) {
      const bytes = readFileSync(path.join(folder, name));
      bytes[bytes.length - 5000] = (bytes[bytes.length - 5000] ?? 0) ^ 1;
      rmSync(path.join(folder, name));
      writeFileSync(path.join(folder, name), bytes);
    }
    const again = await first();
    expect(cached(again)).to.deep.equal([false, false]);
    expect(bits(again)).to.deep.equal(bits(computed));
    expect(warnings).to.have.lengthOf(1);
    expect(warnings[0]).to.contain(folder).and.not.to.contain('knife');
    expect(files().map((name) => readFileSync(path.join(folder, name)))).to.deep.equal(whole);
    expect(cached(await first())).to.deep.equal([true, true]);
  });

  it('are neither written nor read where the cache is off', async () => {
    await first({ cache: false });
    await first({ policyCacheEntries: 0 });
    expect(() => files()).to.throw(/ENOENT/);
  });

  it('that cannot be written warn once and cost no verdict', async () => {
    writeFileSync(folder, 'a file in the place of the folder');
    expect(cached(await first())).to.deep.equal([false, false]);
    expect(warnings).to.have.lengthOf(1);
  });

  it('go where options and environment say', () => {
    const env = { LLAMA_GUARD_SNAPSHOTS: '/kept' };
    expect(loadSettings({}, {}).snapshots).to.deep.equal({ env: {} });
    expect(loadSettings({}, env).snapshots).to.deep.equal({ folder: '/kept', env });
    expect(loadSettings({ snapshots: true }, env).snapshots).to.deep.equal({ env });
    expect(loadSettings({ snapshots: 'here' }, env).snapshots).to.deep.equal({ folder: 'here', env });
    expect(loadSettings({ snapshots: false }, env).snapshots).to.equal(undefined);
    expect(loadSettings({}, { LLAMA_GUARD_SNAPSHOTS: 'off' }).snapshots).to.equal(undefined);
    for (const snapshots of ['', 1, null]) {
      expect(() => loadSettings({ snapshots }, {})).to.throw().with.property('code', 'ERR_LLAMA_GUARD_INVALID_ARGUMENT');
    }
    expect(() => moderateSettings({ snapshots: false })).to.throw();
  });
});
