// SPDX-License-Identifier: Apache-2.0
// Options: defaults, the environment, and that nothing misspelt or out of range is taken in silence.

import path from 'node:path';

import { expect } from 'chai';

import { LlamaGuardError } from '../../lib/errors/index.js';
import { moderateSettings } from '../../lib/facade/call-options.js';
import { openJudge } from '../../lib/facade/open-judge.js';
import { loadSettings, modelFolder } from '../../lib/facade/options.js';
import { FakeAddon } from '../support/fake-addon.js';
import { demoFolder } from '../support/fake-guard.js';

function refusal(work: () => unknown): LlamaGuardError {
  try {
    work();
  } catch (error) {
    if (LlamaGuardError.isInstance(error)) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('options', () => {
  it('of load have defaults', () => {
    const engine = { threads: 0, isa: '' };
    const settings = { engine, cache: { entries: 32, bytes: 67_108_864 }, maxQueue: 256 };
    expect(loadSettings(undefined, {})).to.deep.equal({ ...settings, snapshots: { env: {} } });
    const env = { LLAMA_GUARD_THREADS: '', LLAMA_GUARD_ISA: '', LLAMA_GUARD_SNAPSHOTS: '' };
    expect(loadSettings({}, env)).to.deep.equal({ ...settings, snapshots: { env } });
  });

  it('of load come from the environment where they are not given', () => {
    const env = { LLAMA_GUARD_THREADS: '3', LLAMA_GUARD_ISA: 'scalar' };
    expect(loadSettings(undefined, env).engine).to.deep.equal({ threads: 3, isa: 'scalar' });
    expect(loadSettings({ threads: 1, isa: '' }, env).engine).to.deep.equal({ threads: 1, isa: '' });
  });

  for (const threads of [-1, 1.5, 257, NaN, '2', null, 2n]) {
    it(`refuse ${String(threads)} (${typeof threads}) threads`, () => {
      const error = refusal(() => loadSettings({ threads }, {}));
      expect(error.code).to.equal('ERR_LLAMA_GUARD_INVALID_ARGUMENT');
      expect(error.message).to.contain('threads').and.to.contain('from 0 to 256');
    });
  }

  for (const value of ['two', '-1', '1.5', '300', '1e1']) {
    it(`refuse LLAMA_GUARD_THREADS=${value}`, () => {
      const error = refusal(() => loadSettings(undefined, { LLAMA_GUARD_THREADS: value }));
      expect(error.message).to.contain('LLAMA_GUARD_THREADS');
    });
  }

  it('refuse names that are not known, and name them', () => {
    const error = refusal(() => moderateSettings({ treshold: 0.2 }));
    expect(error.code).to.equal('ERR_LLAMA_GUARD_INVALID_ARGUMENT');
    expect(error.message).to.contain('treshold').and.to.contain('threshold');
    expect(refusal(() => loadSettings({ thread: 1 }, {})).message).to.contain('"thread"');
  });

  for (const options of [null, 3, 'x', []]) {
    it(`refuse ${JSON.stringify(options)} in place of an object`, () => {
      expect(refusal(() => moderateSettings(options)).code).to.equal('ERR_LLAMA_GUARD_INVALID_ARGUMENT');
      expect(refusal(() => loadSettings(options, {})).code).to.equal('ERR_LLAMA_GUARD_INVALID_ARGUMENT');
    });
  }

  it('of load switch the cache off and bound the queue', () => {
    expect(loadSettings({ cache: false, policyCacheEntries: 9 }, {}).cache.entries).to.equal(0);
    expect(loadSettings({ cache: true }, {}).cache.entries).to.equal(32);
    expect(loadSettings({ maxQueue: 0 }, {}).maxQueue).to.equal(0);
  });

  for (const options of [{ cache: 1 }, { maxQueue: -1 }, { maxQueue: 1.5 }, { maxQueue: 1e7 }, { onSpan: 'log' }]) {
    it(`refuse ${JSON.stringify(options)} on load`, () => {
      const error = refusal(() => loadSettings(options, {}));
      expect(error.code).to.equal('ERR_LLAMA_GUARD_INVALID_ARGUMENT');
      expect(error.message).to.contain(Object.keys(options)[0]);
    });
  }

  for (const options of [{ signal: {} }, { signal: null }, { timeoutMs: -1 }, { timeoutMs: 2 ** 31 }, { timeoutMs: '5' }]) {
    it(`refuse ${JSON.stringify(options)} of a call`, () => {
      const error = refusal(() => moderateSettings(options));
      expect(error.code).to.equal('ERR_LLAMA_GUARD_INVALID_ARGUMENT');
      expect(error.message).to.contain(Object.keys(options)[0]);
    });
  }

  for (const threshold of [0, -0.1, 1.01, NaN, '0.5', null]) {
    it(`refuse a threshold of ${String(threshold)} (${typeof threshold})`, () => {
      expect(refusal(() => moderateSettings({ threshold })).message).to.contain('threshold');
    });
  }

  it('give one threshold or two', () => {
    const given = (options: unknown): unknown => moderateSettings(options).thresholds;
    expect(given({})).to.deep.equal({ review: 0.5, block: 0.5 });
    expect(given({ threshold: 0.3 })).to.deep.equal({ review: 0.3, block: 0.3 });
    expect(given({ thresholds: {} })).to.deep.equal({ review: 0.5, block: 0.5 });
    expect(given({ thresholds: { block: 0.9 } })).to.deep.equal({ review: 0.9, block: 0.9 });
    expect(given({ thresholds: { review: 0.1 } })).to.deep.equal({ review: 0.1, block: 0.5 });
    expect(given({ thresholds: { review: 0.9, block: 0.9 } })).to.deep.equal({ review: 0.9, block: 0.9 });
  });

  const wrongThresholds: readonly (readonly [unknown, RegExp])[] = [
    [{ threshold: 0.5, thresholds: {} }, /threshold or thresholds may be given, found "both"/],
    [{ thresholds: 0.5 }, /options of thresholds must be an object, found 0.5/],
    [{ thresholds: { blok: 0.5 } }, /thresholds has the options review, block, found "blok"/],
    [{ thresholds: { block: 1.5 } }, /thresholds.block must be a number above 0 and at most 1, found 1.5/],
    [{ thresholds: { review: 0 } }, /thresholds.review must be a number above 0/],
    [{ thresholds: { review: 0.6 } }, /thresholds.review must be at most thresholds.block, which is 0.5, found 0.6/],
  ];
  for (const [options, message] of wrongThresholds) {
    it(`refuse ${JSON.stringify(options)}`, () => {
      const error = refusal(() => moderateSettings(options));
      expect(error.code).to.equal('ERR_LLAMA_GUARD_INVALID_ARGUMENT');
      expect(error.message).to.match(message);
    });
  }

  it('of windows have defaults, and windowTokens needs overflow window', () => {
    const given = (options: unknown): unknown => {
      const { overflow, windowTokens } = moderateSettings(options);
      return [overflow, windowTokens];
    };
    expect(given({})).to.deep.equal(['error', Infinity]);
    expect(given({ overflow: 'window' })).to.deep.equal(['window', Infinity]);
    expect(given({ overflow: 'window', windowTokens: 128 })).to.deep.equal(['window', 128]);
    for (const options of [{ overflow: 'cut' }, { windowTokens: 512 }, ...[127, 2 ** 20 + 1, '512', 128.5].map((windowTokens) => ({ overflow: 'window', windowTokens }))]) {
      expect(refusal(() => moderateSettings(options)).code).to.equal('ERR_LLAMA_GUARD_INVALID_ARGUMENT');
    }
  });

  it('refuse labels and logits that are no boolean', () => {
    expect(refusal(() => moderateSettings({ labels: 'yes' })).message).to.contain('labels');
    expect(refusal(() => moderateSettings({ logits: 1 })).message).to.contain('logits');
  });

  it('find the model folder: argument, environment, embedded', () => {
    expect(modelFolder('a', { LLAMA_GUARD_MODEL: 'b' })).to.equal('a');
    expect(modelFolder(undefined, { LLAMA_GUARD_MODEL: 'b' })).to.equal('b');
    expect(modelFolder(undefined, {})).to.equal(path.resolve('models/demo'));
    for (const value of ['', 3, null]) {
      expect(refusal(() => modelFolder(value, {})).code).to.equal('ERR_LLAMA_GUARD_INVALID_ARGUMENT');
    }
  });

  it('refuse an instruction set that is not known or not on this CPU, and list the others', async () => {
    const attempt = (isa: string) =>
      openJudge(new FakeAddon(), demoFolder, loadSettings({ isa }, {})).then(
        () => undefined,
        (error: unknown) => error as LlamaGuardError,
      );
    const unknown = await attempt('sse9');
    expect(unknown?.code).to.equal('ERR_LLAMA_GUARD_UNKNOWN_ISA');
    expect(unknown?.message).to.contain('scalar, amx').and.to.contain('sse9');
    expect((await attempt('amx'))?.code).to.equal('ERR_LLAMA_GUARD_UNSUPPORTED_ISA');
    expect(await attempt('scalar')).to.equal(undefined);
  });
});
