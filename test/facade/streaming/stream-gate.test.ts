// SPDX-License-Identifier: Apache-2.0
// When text of a stream is checked and when it leaves, with a judge and a token counter that tests control: a word is a
// token, and an answer that holds "BAD" is unsafe.

import { expect } from 'chai';
import fc from 'fast-check';

import { StreamGate } from '../../../lib/facade/streaming/stream-gate.js';
import type { StreamCheck, StreamMode, StreamSettings } from '../../../lib/facade/streaming/stream-options.js';

interface Bench {
  readonly gate: StreamGate;
  /** Answers that were checked. */
  readonly checked: string[];
  /** What left, and how the stream ended. */
  readonly out: string[];
  ending: string;
  /** Ends the oldest check that runs. */
  readonly finishCheck: (error?: Error) => Promise<void>;
}

const countTokens = (text: string): number => text.split(/\s+/).filter((word) => word !== '').length;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function bench(settings: Partial<StreamSettings>, { held = false }: { held?: boolean } = {}): Bench {
  const checked: string[] = [];
  const out: string[] = [];
  const waiting: ((error?: Error) => void)[] = [];
  const result: Bench = {
    checked,
    out,
    ending: '',
    finishCheck: async (error) => {
      await turn();
      waiting.shift()?.(error);
      await turn();
    },
    gate: new StreamGate({
      settings: {
        mode: 'buffer',
        checkEvery: 3,
        holdBack: 2,
        onViolation: 'stop',
        replacement: '[gone]',
        onCheck: undefined,
        ...settings,
      },
      countTokens,
      check: async (answer) => {
        checked.push(answer);
        if (held) {
          await new Promise<void>((resolve, reject) => waiting.push((error) => (error ? reject(error) : resolve())));
        }
        return { flagged: answer.includes('BAD') } as StreamCheck['result'];
      },
      outlet: {
        emit: (text) => out.push(text),
        end: (failure) => (result.ending = failure === undefined ? 'end' : `end: ${(failure as Error).message}`),
        cut: () => (result.ending = 'cut'),
        fail: (error) => (result.ending = `fail: ${(error as { code?: string }).code ?? (error as Error).message}`),
      },
    }),
  };
  return result;
}

async function feed(target: Bench, chunks: readonly string[]): Promise<void> {
  for (const chunk of chunks) await target.gate.write(chunk);
}

describe('a stream gate', () => {
  it('in mode buffer lets text out when a check that covers it was safe, and not before', async () => {
    const target = bench({}, { held: true });
    await feed(target, ['one ', 'two ']);
    expect(target.checked).to.deep.equal([]);
    const third = target.gate.write('three ');
    await turn();
    expect(target.checked).to.deep.equal(['one two three ']);
    expect(target.out).to.deep.equal([]);
    await target.finishCheck();
    await third;
    expect(target.out).to.deep.equal(['one two three ']);
    await target.gate.write('four');
    const end = target.gate.finish();
    await turn();
    expect(target.out).to.have.lengthOf(1);
    await target.finishCheck();
    await end;
    expect(target.checked.at(-1)).to.equal('one two three four');
    expect(target.out).to.deep.equal(['one two three ', 'four']);
    expect(target.ending).to.equal('end');
  });

  it('in mode window lets out what has the tokens of the hold-back after it, while the check runs', async () => {
    const target = bench({ mode: 'window' }, { held: true });
    await feed(target, ['one ', 'two ', 'three ']);
    expect(target.checked).to.deep.equal(['one two three ']);
    expect(target.out).to.deep.equal(['one ']);
    await target.gate.write('four ');
    expect(target.out).to.deep.equal(['one ', 'two ']);
    await target.gate.write('five ');
    // The next check is due, and the first one has not ended: the writer waits.
    const sixth = target.gate.write('six ');
    await turn();
    expect(target.checked).to.have.lengthOf(1);
    await target.finishCheck();
    await sixth;
    expect(target.checked.at(-1)).to.equal('one two three four five six ');
    const end = target.gate.finish();
    await target.finishCheck();
    await end;
    expect(target.out.join('')).to.equal('one two three four five six ');
  });

  it('in mode audit lets everything out at once and reports', async () => {
    const reports: StreamCheck[] = [];
    const target = bench({ mode: 'audit', onCheck: (check) => reports.push(check) });
    await feed(target, ['BAD ', 'two ', 'three ', 'four']);
    expect(target.out).to.deep.equal(['BAD ', 'two ', 'three ', 'four']);
    await target.gate.finish();
    expect(target.ending).to.equal('end');
    expect(reports.map(({ result, length }) => [result.flagged, length])).to.deep.equal([[true, 14], [true, 18]]);
  });

  it('in mode audit goes on when a check fails, makes no further ones, and says so at the end', async () => {
    const target = bench({ mode: 'audit' }, { held: true });
    await feed(target, ['a b c ']);
    await target.finishCheck(new Error('broken'));
    await feed(target, ['d e f ', 'g h i ']);
    await target.gate.finish();
    expect(target.out.join('')).to.equal('a b c d e f g h i ');
    expect(target.checked).to.have.lengthOf(1);
    expect(target.ending).to.equal('end: broken');
  });

  for (const [onViolation, out, ending] of [
    ['error', ['a b c '], 'fail: ERR_LLAMA_GUARD_UNSAFE'],
    ['stop', ['a b c '], 'cut'],
    ['replace', ['a b c ', '[gone]'], 'cut'],
  ] as const) {
    it(`on a violation does what ${onViolation} says, and nothing leaves afterwards`, async () => {
      const target = bench({ onViolation });
      await feed(target, ['a b c ', 'd BAD ', 'f ', 'g h i ']);
      await target.gate.finish();
      expect(target.out).to.deep.equal(out);
      expect(target.ending).to.equal(ending);
      expect(target.checked).to.deep.equal(['a b c ', 'a b c d BAD f ']);
    });
  }

  it('in mode window stops in the middle of held text when the check that runs finds a violation', async () => {
    const target = bench({ mode: 'window' }, { held: true });
    await feed(target, ['a ', 'b ', 'BAD ']);
    expect(target.out).to.deep.equal(['a ']);
    await target.finishCheck();
    expect(target.ending).to.equal('cut');
    await feed(target, ['d ', 'e ']);
    await target.gate.finish();
    expect(target.out).to.deep.equal(['a ']);
  });

  it('fails closed: when a check fails, held text stays in', async () => {
    const target = bench({}, { held: true });
    const write = target.gate.write('a b c ').catch((error: unknown) => error);
    await target.finishCheck(new Error('broken'));
    expect(await write).to.have.property('message', 'broken');
    expect(target.ending).to.equal('fail: broken');
    await target.gate.finish();
    expect(target.out).to.deep.equal([]);
  });

  it('fails closed when the listener of checks throws', async () => {
    const target = bench({ onCheck: () => { throw new Error('listener'); } });
    await target.gate.write('a b c').catch(() => undefined);
    expect(target.ending).to.equal('fail: listener');
    expect(target.out).to.deep.equal([]);
  });

  it('does not check white space alone, and lets it out at the end', async () => {
    const target = bench({});
    await feed(target, [' ', '\n\n']);
    await target.gate.finish();
    expect(target.checked).to.deep.equal([]);
    expect(target.out.join('')).to.equal(' \n\n');
    expect(target.ending).to.equal('end');
  });

  it('keeps the halves of a surrogate pair together, and gives back a half that stays alone', async () => {
    const target = bench({ checkEvery: 1 });
    const [high = '', low = ''] = ['\ud83d', '\ude00'];
    await feed(target, [`a${high}`, `${low} b`, ` c${high}`]);
    expect(target.checked[0]).to.equal('a');
    expect(target.checked[1]).to.equal(`a${high}${low} b`);
    await target.gate.finish();
    expect(target.out.join('')).to.equal(`a${high}${low} b c${high}`);
  });

  it('gives back exactly what came, in order, for any chunks and any mode', () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom<StreamMode>('buffer', 'window', 'audit'),
        fc.array(fc.string({ unit: fc.constantFrom('a', ' ', '\n', '\ud83d', '\ude00', 'é') , maxLength: 8 }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 0, max: 5 }),
        async (mode, chunks, checkEvery, holdBack) => {
          const target = bench({ mode, checkEvery, holdBack });
          await feed(target, chunks);
          await target.gate.finish();
          expect(target.out.join('')).to.equal(chunks.join(''));
          expect(target.ending).to.equal('end');
          const answer = chunks.join('');
          if (answer.trim() !== '') expect(target.checked.at(-1)?.trim()).to.equal(answer.trim());
        },
      ),
      { seed: 20261122, numRuns: 300 },
    ));
});
