// SPDX-License-Identifier: Apache-2.0
// The real addon under a guard: the event loop stays free, processes and worker threads may end at any stage, and the
// answers do not depend on threads, instruction set, cache or company.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { expect } from 'chai';

import { LlamaGuard, type LlamaGuardError, type LoadOptions } from '../../lib/index.js';

const run = promisify(execFile);

/** Runs a script with the built package in a process of its own; rejects when it does not exit with 0. */
async function inProcess(script: string): Promise<string> {
  const prelude = "import { LlamaGuard } from 'llama-guard-int4'; import { Worker } from 'node:worker_threads';\n";
  const { stdout } = await run(process.execPath, ['--expose-gc', '--input-type=module', '-e', prelude + script]);
  return stdout.trim();
}

const short = [
  'How many legs does a spider have?',
  [{ role: 'user' as const, content: 'Hi' }, { role: 'assistant' as const, content: 'I will find you and hurt you.' }],
];
/** Takes several passes. */
const long = 'word '.repeat(700);

async function answers(guard: LlamaGuard, inputs: readonly Parameters<LlamaGuard['moderate']>[0][]): Promise<unknown[]> {
  const results = await Promise.all(inputs.map((input) => guard.moderate(input, { labels: true })));
  return results.map(({ verdict, score, categoryScores, labels }) => ({ verdict, score, categoryScores, labels }));
}

/** The answers of a guard of its own. */
async function answersWith(options: LoadOptions, inputs: Parameters<typeof answers>[1]): Promise<unknown[]> {
  const guard = await LlamaGuard.load(undefined, options);
  try {
    return await answers(guard, inputs);
  } finally {
    await guard.dispose();
  }
}

describe('a guard over the real addon', function () {
  this.timeout(60_000);

  it('gives the same bits for every instruction set', async () => {
    const wanted = await answersWith({ isa: 'scalar' }, short);
    const guard = await LlamaGuard.load();
    const { info } = guard;
    await guard.dispose();
    const isas = info.isas.filter(({ supported }) => supported).map(({ name }) => name);
    expect(isas).to.include('scalar');
    for (const isa of isas.slice(1)) expect(await answersWith({ isa }, short), isa).to.deep.equal(wanted);
  });

  it('gives the same bits for any number of threads, with the policy cache and without, alone or in company', async () => {
    const inputs = [...short, long];
    const wanted = await answersWith({ threads: 1, policyCacheEntries: 0 }, inputs);
    const guard = await LlamaGuard.load(undefined, { threads: 2 });
    expect(await answers(guard, inputs)).to.deep.equal(wanted);
    expect(await answers(guard, [...inputs].reverse())).to.deep.equal([...wanted].reverse());
    expect(guard.info.policyCache.entries).to.equal(2);
    await guard.dispose();
  });

  it('leaves the event loop free while it works', async () => {
    const guard = await LlamaGuard.load(undefined, { threads: 1 });
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await guard.moderate(long);
    clearInterval(timer);
    // Two long passes: a blocked loop would turn once or twice.
    expect(turns).to.be.greaterThan(10);
    await guard.dispose();
  });

  it('frees its model while a call is running', async () => {
    const guard = await LlamaGuard.load();
    const running = guard.moderate('word '.repeat(600));
    // One long call at a time: this one waits.
    const waiting = guard.moderate('word '.repeat(600)).catch((error: unknown) => error as LlamaGuardError);
    await guard.dispose();
    expect((await running).verdict).to.be.oneOf(['safe', 'unsafe']);
    expect(await waiting).to.have.property('code', 'ERR_LLAMA_GUARD_DISPOSED');
  });

  it('lives beside another one', async () => {
    const guards = await Promise.all([LlamaGuard.load(), LlamaGuard.load()]);
    const [a, b] = await Promise.all(guards.map((guard) => answers(guard, short)));
    expect(a).to.deep.equal(b);
    await Promise.all(guards.map((guard) => guard.dispose()));
  });

  const stages: Readonly<Record<string, string>> = {
    'while it is loading': 'void LlamaGuard.load(); process.exit(0);',
    'right after loading': 'await LlamaGuard.load(); process.exit(0);',
    'during a call': 'const g = await LlamaGuard.load(); void g.moderate("word ".repeat(700)); setTimeout(() => process.exit(0), 20);',
    'after a call, without dispose': 'const g = await LlamaGuard.load(); await g.moderate("a");',
    'with calls that nobody waits for': 'const g = await LlamaGuard.load(); void g.moderate("a"); void g.moderate("b");',
    'after dispose during a call': 'const g = await LlamaGuard.load(); void g.moderate("a"); void g.dispose();',
    'when the guard is collected during a call': `
      let g = await LlamaGuard.load(); const p = g.moderate("word ".repeat(300)); g = undefined; gc(); await p; gc();`,
  };
  for (const [stage, script] of Object.entries(stages)) {
    it(`lets its process end ${stage}`, () => inProcess(script));
  }

  it('works in two worker threads at once', async () => {
    const output = await inProcess(`
      const code = "import('llama-guard-int4').then(async ({ LlamaGuard }) => { const g = await LlamaGuard.load();" +
        "const r = await g.moderate('a'); await g.dispose(); (await import('node:worker_threads')).parentPort.postMessage(r.score); })";
      const scores = await Promise.all([1, 2].map(() => new Promise((resolve, reject) => {
        new Worker(code, { eval: true }).on('message', resolve).on('error', reject);
      })));
      console.log(scores[0] === scores[1] && scores[0] > 0);`);
    expect(output).to.equal('true');
  });

  it('lets a worker thread be terminated during a call', async () => {
    const output = await inProcess(`
      const code = "import('llama-guard-int4').then(async ({ LlamaGuard }) => { const g = await LlamaGuard.load();" +
        "(await import('node:worker_threads')).parentPort.postMessage('go'); await g.moderate('word '.repeat(700)); })";
      for (let i = 0; i < 3; i++) {
        const worker = new Worker(code, { eval: true });
        await new Promise((resolve) => worker.on('message', resolve));
        await new Promise((resolve) => setTimeout(resolve, 10 * i));
        await worker.terminate();
      }
      const guard = await LlamaGuard.load();
      console.log((await guard.moderate('a')).verdict);
      await guard.dispose();`);
    expect(output).to.be.oneOf(['safe', 'unsafe']);
  });
});
