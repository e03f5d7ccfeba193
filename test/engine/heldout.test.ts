// SPDX-License-Identifier: Apache-2.0
// The package on the held-out conversations against the reference in double precision, on every instruction set, and
// against the float checkpoint that the demo model was made from. docs/verification.md derives the bounds.

import { readFileSync } from 'node:fs';

import { expect } from 'chai';

import { LlamaGuard } from '../../lib/index.js';
import { openContainer } from '../../lib/loading/container.js';
import { quantizedMathematics } from '../reference/decoder.js';
import {
  type HeldoutCase,
  agreement,
  demoModel,
  demoTokenizer,
  labelTexts,
  readCases,
  readHeldout,
  readStoredReference,
} from '../reference/heldout.js';
import { softmax } from '../reference/operators.js';
import { type Message, ReferenceTokenizer } from '../reference/text.js';
import { promptTokens, supportedIsas } from './native-reader.js';

/** docs/verification.md, "How far apart two right answers may be". */
const logitBound = 0.032;
const cases = readHeldout();
const labels = labelTexts();
const stored = readStoredReference();
const isas = supportedIsas();

function pUnsafe(logits: ArrayLike<number>): number {
  return softmax(Float64Array.of(logits[labels.indexOf('safe')]!, logits[labels.indexOf('unsafe')]!))[1]!;
}

/** The scalar kernels are slow on purpose: they get every sixteenth conversation. */
function everyFor(isa: string): number {
  return isa === 'scalar' ? 16 : 1;
}

interface Judged {
  readonly item: HeldoutCase;
  /** Logits that the reference has for it. */
  readonly reference: readonly number[];
  readonly score: number;
  readonly unsafe: boolean;
  /** Logarithms of the probabilities of all labels: logits, but for one constant. */
  readonly logs: readonly number[];
}

async function judge(isa: string): Promise<Judged[]> {
  await using guard = await LlamaGuard.load(demoModel, { isa });
  expect(guard.info.isa).to.equal(isa);
  const judged: Judged[] = [];
  for (let i = 0; i < cases.length; i += everyFor(isa)) {
    const item = cases[i]!;
    const { score, verdict, labels: rows } = await guard.moderate(item.messages, { labels: true });
    const logs = rows!.map((row) => Math.log(row.probability));
    judged.push({ item, reference: stored.logits[i]!, score, unsafe: verdict === 'unsafe', logs });
  }
  return judged;
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

describe('held-out conversations', function () {
  this.timeout(600_000);
  const byIsa = new Map<string, Judged[]>();

  before(async () => {
    for (const isa of isas) byIsa.set(isa, await judge(isa));
  });

  it('have the token ids of an independent tokenizer', async () => {
    const container = await openContainer(demoModel);
    const tokenizer = new ReferenceTokenizer(demoTokenizer);
    for (const { messages } of cases) {
      expect(promptTokens(container, messages)).to.deep.equal(tokenizer.encodePrompt(messages));
    }
  });

  it('have the token ids of the vectors that came with the checkpoint', async () => {
    const container = await openContainer(demoModel);
    const { examples } = JSON.parse(readFileSync('test/fixtures/guard-tiny/vectors.json', 'utf8')) as {
      examples: { messages: Message[]; token_ids: number[] }[];
    };
    expect(examples).to.have.length.greaterThan(0);
    for (const { messages, token_ids } of examples) {
      expect(promptTokens(container, messages)).to.deep.equal(token_ids);
    }
  });

  it('have stored answers that the reference still gives', async () => {
    const every = 56;
    const chosen = cases.filter((_, i) => i % every === 0);
    const readings = await readCases(chosen, quantizedMathematics);
    readings.forEach((rows, i) => {
      // Half of the last digit stored; the rest is for sines and cosines that differ in their last bit.
      rows[1]!.forEach((x, label) => expect(x).to.be.closeTo(stored.logits[i * every]![label]!, 1e-6));
    });
  });

  for (const isa of isas) {
    it(`get the reference's verdicts on ${isa}`, () => {
      const judged = byIsa.get(isa)!;
      const { verdicts, within } = agreement(
        judged.map(({ score }) => score),
        judged.map(({ reference }) => pUnsafe(reference)),
      );
      expect(verdicts).to.be.at.least(0.995);
      expect(within).to.be.at.least(0.99);
      for (const { score, unsafe } of judged) expect(unsafe).to.equal(score >= 0.5);
    });

    it(`get the reference's label logits on ${isa}, within the derived bound`, () => {
      for (const { logs, reference } of byIsa.get(isa)!) {
        const shift = mean(logs) - mean(reference);
        logs.forEach((log, label) => expect(log - shift).to.be.closeTo(reference[label]!, logitBound));
      }
    });
  }

  it('get equal scores and label probabilities on all instruction sets', () => {
    const widest = new Map(byIsa.get(isas.at(-1)!)!.map(({ item, score, logs }) => [item, { score, logs }]));
    for (const judged of byIsa.values()) {
      for (const { item, score, logs } of judged) expect({ score, logs }).to.deep.equal(widest.get(item));
    }
  });

  it('get the verdicts of the float checkpoint, but for what INT4 costs', () => {
    const judged = byIsa.get(isas.at(-1)!)!;
    const { verdicts } = agreement(
      judged.map(({ score }) => score),
      judged.map(({ item }) => item.float_p_unsafe),
    );
    expect(verdicts).to.be.at.least(0.94);
  });
});
