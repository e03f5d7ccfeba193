// SPDX-License-Identifier: Apache-2.0
// Processes and worker threads may end at any stage of a guard's life, and an idle guard keeps none of them alive. Each
// script prints what shows that it had come to its stage.

import { expect } from 'chai';

import { inProcess } from '../support/in-process.js';

const load = 'const g = await LlamaGuard.load(undefined, { threads: 2 });';
/** Several passes long. */
const long = "'word '.repeat(700)";
/** Until something is so. */
const until = 'const until = async (ready) => { while (!ready()) await new Promise((resolve) => setImmediate(resolve)); };';

/** Script and what it prints. */
const stages: Readonly<Record<string, readonly [script: string, shows: string]>> = {
  'while it is loading': ['void LlamaGuard.load(); process.exit(0);', ''],
  'right after loading': [`${load} process.exit(0);`, ''],
  'while a policy is being computed': [`
    ${load} ${until}
    void g.moderate('a'); await until(() => g.stats().running === 1); console.log(g.stats().policyCache.entries); process.exit(0);`, '0'],
  'during a call': [`
    ${load} ${until} void g.moderate(${long}); await until(() => g.stats().passes === 1); console.log(g.stats().running); process.exit(0);`, '1'],
  'while calls wait': [`
    ${load} ${until} for (let i = 0; i < 5; i++) void g.moderate(${long});
    await until(() => g.stats().passes === 1); console.log(g.stats().waiting); process.exit(0);`, '4'],
  'while many calls share a pass': [`
    ${load} ${until} await g.moderate('a'); for (let i = 0; i < 20; i++) void g.moderate('word '.repeat(10 + i));
    await until(() => g.stats().passes > 3); console.log(g.stats().running > 10); process.exit(0);`, 'true'],
  'during the check of a stream': [`
    ${load} ${until} const writer = g.stream({ messages: [{ role: 'user', content: 'a' }], checkEvery: 1 }).writable.getWriter();
    void writer.write(${long}); await until(() => g.stats().passes === 1); console.log(g.stats().running); process.exit(0);`, '1'],
  'while it is being disposed': [`
    ${load} ${until} void g.moderate(${long}); await until(() => g.stats().passes === 1); void g.dispose();
    console.log(g.stats().running); process.exit(0);`, '1'],
  'while a pass is being cancelled': [`
    ${load} ${until} const c = new AbortController(); g.moderate(${long}, { signal: c.signal }).catch((error) => console.log(error.code));
    await until(() => g.stats().passes === 1); c.abort(); await until(() => g.stats().aborted === 1); process.exit(0);`,
    'ERR_LLAMA_GUARD_ABORTED'],
  'by an error that nobody catches': [`
    ${load} ${until} process.on('exit', () => { console.log(process.exitCode); process.exitCode = 0; });
    void g.moderate(${long}); await until(() => g.stats().passes === 1); setImmediate(() => { throw new Error('made up'); });`, '1'],
  'after a call, without dispose': [`${load} console.log((await g.moderate('a')).demo);`, 'true'],
  'with calls that nobody waits for': [`
    ${load} const done = (result) => console.log(result.demo); void g.moderate('a').then(done); void g.moderate('b').then(done);`, 'true\ntrue'],
  'after dispose during a call': [`${load} void g.moderate('a'); void g.dispose().then(() => console.log('disposed'));`, 'disposed'],
  'when the guard is collected during a call': [`
    let g = await LlamaGuard.load(); const p = g.moderate('word '.repeat(300)); g = undefined; gc(); console.log((await p).demo); gc();`, 'true'],
};

/** An hour: a process that a timer kept alive would be found by the time limit of the test. */
const hour = 3_600_000;
const idle: Readonly<Record<string, readonly [script: string, shows: string]>> = {
  'after a call with a timeout that has not passed': [`${load} console.log((await g.moderate('a', { timeoutMs: ${hour} })).demo);`, 'true'],
  'after a refused call with a timeout': [`
    ${load} await g.moderate('', { timeoutMs: ${hour} }).catch((error) => console.log(error.code));`, 'ERR_LLAMA_GUARD_EMPTY_CONVERSATION'],
  'after a call with the signal of a long timeout': [`
    ${load} console.log((await g.moderate('a', { signal: AbortSignal.timeout(${hour}) })).demo);`, 'true'],
  'with a stream that is open and silent': [`
    ${load} const stream = g.stream({ messages: [{ role: 'user', content: 'a' }], timeoutMs: ${hour} });
    await stream.writable.getWriter().write('One word'); console.log(g.stats().calls);`, '0'],
  'with a stream between two checks': [`
    ${load} const stream = g.stream({ messages: [{ role: 'user', content: 'a' }], checkEvery: 1, timeoutMs: ${hour}, mode: 'audit' });
    void stream.writable.getWriter().write('Two words'); ${until} await until(() => g.stats().verdicts === 1);
    console.log(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length);`, '0'],
};

describe('a process with a guard', function () {
  this.timeout(60_000);

  for (const [stage, [script, shows]] of Object.entries(stages)) {
    it(`may end ${stage}`, async () => expect(await inProcess(script)).to.equal(shows));
  }

  for (const [state, [script, shows]] of Object.entries(idle)) {
    it(`ends by itself ${state}`, async () => expect(await inProcess(script)).to.equal(shows));
  }
});

/** Code of worker threads that post the score of a call, and one that goes on judging. */
const workers = `
  const begin = "import('llama-guard-int4').then(async ({ LlamaGuard }) => { const { parentPort } = await import('node:worker_threads');";
  const scoring = begin + "const g = await LlamaGuard.load(); parentPort.postMessage((await g.moderate('a')).score); parentPort.once('message', () => g.dispose()); })";
  const judging = begin + "const g = await LlamaGuard.load(); parentPort.postMessage('go'); await g.moderate('word '.repeat(700)); })";
  const start = (code) => new Worker(code, { eval: true });
  const message = (worker) => new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
`;

describe('worker threads with guards', function () {
  this.timeout(60_000);

  it('work at once, and have the weights mapped once for all of them', async function () {
    if (process.platform !== 'linux') return this.skip();
    const output = await inProcess(`${workers}
      import { readFileSync, statSync } from 'node:fs';
      const all = [1, 2, 3].map(() => start(scoring));
      const scores = await Promise.all(all.map(message));
      ${load} scores.push((await g.moderate('a')).score);
      const file = g.info.modelPath + '/model.safetensors';
      const ranges = readFileSync('/proc/self/maps', 'utf8').split('\\n').filter((line) => line.endsWith(file));
      const bytes = ranges.map((line) => line.split(' ')[0].split('-').map((end) => parseInt(end, 16))).reduce((sum, [from, to]) => sum + to - from, 0);
      console.log(new Set(scores).size, scores[0] > 0, bytes - statSync(file).size < 65536);
      for (const worker of all) worker.postMessage('end');
      await g.dispose();`);
    expect(output).to.equal('1 true true');
  });

  it('may be terminated at any moment while they load and judge', async () => {
    const output = await inProcess(`${workers}
      for (let i = 0; i < 8; i++) {
        const worker = start(judging);
        if (i % 2 === 1) await message(worker);
        await new Promise((resolve) => setTimeout(resolve, i % 2 === 1 ? 10 * i : 40 * i));
        await worker.terminate();
      }
      ${load} console.log((await g.moderate('a')).demo);
      await g.dispose();`);
    expect(output).to.equal('true');
  });

  it('may be terminated while another one and the main thread judge', async () => {
    const output = await inProcess(`${workers}
      ${load} const alone = (await g.moderate(${long})).score;
      const doomed = start(judging), other = start(scoring), score = message(other);
      await message(doomed);
      const running = g.moderate(${long});
      await doomed.terminate();
      const scores = [(await running).score, await score];
      other.postMessage('end');
      console.log(scores[0] === alone, scores[1] > 0);
      await g.dispose();`);
    expect(output).to.equal('true true');
  });

  it('may end by themselves without dispose, and by process.exit', async () => {
    const output = await inProcess(`${workers}
      const ended = (worker) => new Promise((resolve) => worker.on('exit', resolve));
      const codes = await Promise.all([
        start(begin + "const g = await LlamaGuard.load(); await g.moderate('a'); })"),
        start(begin + "const g = await LlamaGuard.load(); void g.moderate('word '.repeat(700)); setTimeout(() => process.exit(5), 20); })"),
      ].map(ended));
      console.log(codes.join());`);
    expect(output).to.equal('0,5');
  });
});
