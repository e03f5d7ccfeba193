// SPDX-License-Identifier: Apache-2.0
// Verdicts from models that are made up: what is decoded, in how many passes, and that nothing else can be.

import { expect } from 'chai';
import fc from 'fast-check';
import { LabelSet } from '../../lib/scoring/labels.js';
import { VerdictDecoder } from '../../lib/scoring/verdict-decoder.js';
import { categoriesOf, decode, decodeSlowly, labelsOf, labelTexts, type Model, randomModel, softmax } from './simulated-model.js';

const all = categoriesOf(...Array.from({ length: 13 }, (_, index) => `S${index + 1}`));
const withoutDoubleNewline = labelTexts.filter((text) => text !== '\n\n');
const withComma = labelTexts.map((text) => (text === ',S' ? ',' : text));
const full = { texts: labelTexts, categories: all };

/** A model that gives 5 to the words named for a context, 0 to all others. */
function scripted(script: Readonly<Record<string, readonly string[]>>, texts: readonly string[] = labelTexts): Model {
  return (context) => texts.map((text) => (script[context.join('')]?.includes(text) === true ? 5 : 0));
}

const codesOf = (verdict: { categories: readonly { code: string }[] }): readonly string[] =>
  verdict.categories.map((category) => category.code);

describe('VerdictDecoder', () => {
  it('reads a safe verdict in one pass', () => {
    const { verdict, passes } = decode(scripted({ '': ['safe'], '\n\n': ['unsafe'] }), full);
    expect(passes).to.equal(1);
    expect(verdict).to.include({ flagged: false, verdict: 'safe', categoryScores: null });
    expect(verdict.score).to.be.closeTo(1 / (1 + Math.exp(5)), 1e-7);
    expect(verdict.categories).to.deep.equal([]);
  });

  it('reads the verdict after "\\n\\n" where the model begins with that, in the same pass', () => {
    const { verdict, passes } = decode(scripted({ '': ['\n\n', 'unsafe'], '\n\n': ['safe'] }), full);
    expect(verdict.verdict).to.equal('unsafe');
    const begun = decode(scripted({ '': ['\n\n'], '\n\n': ['safe'] }), full);
    expect([begun.verdict.verdict, begun.passes]).to.deep.equal(['safe', 1]);
    expect(passes).to.be.above(1);
  });

  it('reads one category in three passes, two in four', () => {
    const script = { '': ['unsafe'], 'unsafe\nS': ['9'], 'unsafe\nS9': ['<|eot_id|>'] };
    const one = decode(scripted(script), full);
    expect([one.passes, one.kept.join(''), ...codesOf(one.verdict)]).to.deep.equal([3, 'unsafe\nS', 'S9']);
    const two = decode(scripted({ ...script, 'unsafe\nS9': [',S'], 'unsafe\nS9,S': ['2'], 'unsafe\nS9,S2': ['<|eot_id|>'] }), full);
    expect([two.passes, two.kept.join(''), ...codesOf(two.verdict)]).to.deep.equal([4, 'unsafe\nS9,S', 'S9', 'S2']);
    expect(two.verdict.categories[0]?.name).to.equal('name of S9');
  });

  it('asks for "\\n\\n" with the prompt, keeps it only if the model wrote it, and feeds forced tokens along', () => {
    const steps = (first: string): readonly unknown[] => {
      const labels = new LabelSet(labelsOf(labelTexts));
      const decoder = new VerdictDecoder(labels, all, { softmax });
      const word = (id: number): string => labelTexts[labels.rowOf(id) ?? -1] ?? '';
      const seen: unknown[] = [];
      for (const favourites of [[first, 'unsafe'], ['4'], ['<|eot_id|>', '5']]) {
        const step = decoder.next();
        if (step === null) throw new Error('the verdict ended early');
        seen.push([step.keep, step.tokens.map(word), step.logits]);
        const logits = Array.from({ length: step.logits }, (_, at) => labelTexts.map((text) => (text === favourites[at] ? 5 : 0)));
        decoder.accept(Float32Array.from(logits.flat()));
      }
      expect(decoder.next()).to.equal(null);
      return seen;
    };
    const later = [[3, ['4', ',S'], 2]];
    expect(steps('\n\n')).to.deep.equal([[0, ['\n\n'], 2], [1, ['unsafe', '\n', 'S'], 1], ...later]);
    expect(steps('unsafe')).to.deep.equal([[0, ['\n\n'], 2], [0, ['unsafe', '\n', 'S'], 1], ...later]);
  });

  it('works for a head without "\\n\\n", with "," in place of ",S", with 14 numbers', () => {
    const texts = ['unsafe', 'safe', '\n', 'S', ',', ...Array.from({ length: 14 }, (_, index) => `${index + 1}`), '<|eot_id|>'];
    const script = { '': ['unsafe'], 'unsafe\nS': ['14'], 'unsafe\nS14': [','], 'unsafe\nS14,S': ['3'], 'unsafe\nS14,S3': ['<|eot_id|>'] };
    const { verdict, passes, kept } = decode(scripted(script, texts), { texts, categories: categoriesOf('S3', 'S5', 'S14') });
    expect([codesOf(verdict), passes, kept.join('')]).to.deep.equal([['S14', 'S3'], 4, 'unsafe\nS14,S']);
  });

  it('chooses among the categories of the policy alone', () => {
    const script = { '': ['unsafe'], 'unsafe\nS': ['6'], 'unsafe\nS2': [',S'], 'unsafe\nS2,S': ['6', '2'], 'unsafe\nS2,S9': ['<|eot_id|>'] };
    const { verdict } = decode(scripted(script), { ...full, categories: categoriesOf('S2', 'S9', 'S11') });
    expect(codesOf(verdict)).to.deep.equal(['S2', 'S9']);
    expect(Object.keys(verdict.categoryScores ?? {})).to.deep.equal(['S2', 'S9', 'S11']);
  });

  it('makes no pass where the policy leaves no choice', () => {
    const unsafe = scripted({ '': ['unsafe'], 'unsafe\nS2': [',S'] });
    const only = decode(unsafe, { ...full, categories: categoriesOf('S2') });
    expect([only.passes, ...codesOf(only.verdict)]).to.deep.equal([1, 'S2']);
    expect(only.verdict.categoryScores).to.deep.equal({ S2: only.verdict.score });
    const both = decode(unsafe, { ...full, categories: categoriesOf('S2', 'S3') });
    expect([both.passes, ...codesOf(both.verdict)]).to.deep.equal([3, 'S2', 'S3']);
  });

  it('settles ties by the lowest row, and flags a score that equals the threshold', () => {
    const { verdict } = decode(() => labelTexts.map(() => 1), { ...full, categories: categoriesOf('S9', 'S2', 'S11') });
    expect(verdict).to.include({ score: 0.5, flagged: true });
    expect(codesOf(verdict)).to.deep.equal(['S2', 'S9', 'S11']);
    const reversed = [...labelTexts].reverse();
    const last = decode(() => reversed.map(() => 1), { texts: reversed, categories: categoriesOf('S9', 'S2', 'S11') });
    expect(codesOf(last.verdict)).to.deep.equal(['S11']);
  });

  it('flags by the threshold', () => {
    const model = scripted({ '': ['safe'], 'unsafe\nS': ['1'], 'unsafe\nS1': ['<|eot_id|>'] });
    const { score } = decode(model, full).verdict;
    const verdictAt = (threshold: number): string => decode(model, { ...full, threshold }).verdict.verdict;
    expect([verdictAt(score), verdictAt(score * 1.0001), verdictAt(1e-9), verdictAt(1)]).to.deep.equal(['unsafe', 'safe', 'unsafe', 'safe']);
  });

  it('names the categories from the lower threshold on, and flags from the higher one on', () => {
    const model = scripted({ '': ['safe'], 'unsafe\nS': ['1'], 'unsafe\nS1': ['<|eot_id|>'] });
    const { score } = decode(model, full).verdict;
    const at = (review: number, block: number): unknown => {
      const { verdict, passes } = decode(model, { ...full, review, threshold: block });
      return [verdict.action, verdict.flagged, verdict.verdict, codesOf(verdict), verdict.categoryScores === null, passes];
    };
    expect(at(score, score)).to.deep.equal(['block', true, 'unsafe', ['S1'], false, 3]);
    expect(at(score, 1)).to.deep.equal(['review', false, 'safe', ['S1'], false, 3]);
    expect(at(score * 1.0001, 1)).to.deep.equal(['allow', false, 'safe', [], true, 1]);
  });

  it('gives the softmax over all rows at the verdict position', () => {
    const { verdict } = decode(scripted({ '': ['\n\n'], '\n\n': ['safe', '7'] }), full);
    const total = 2 * Math.exp(5) + 18;
    expect(verdict.labelProbabilities.map((label) => label.text)).to.deep.equal(labelTexts);
    for (const { text, probability } of verdict.labelProbabilities) {
      expect(probability).to.be.closeTo((['safe', '7'].includes(text) ? Math.exp(5) : 1) / total, 1e-7);
    }
  });

  it('never gives a verdict that is malformed, whatever the logits', () => {
    const codes = all.map((category) => category.code);
    const largest = 3.4028234663852886e38;
    const logit = fc.oneof(fc.constantFrom(0, -0, 1, largest, -largest), fc.float({ noNaN: true, noDefaultInfinity: true }));
    const texts = fc.constantFrom(labelTexts, withoutDoubleNewline, [...withComma].reverse());
    fc.assert(
      fc.property(
        texts,
        fc.shuffledSubarray(codes, { minLength: 1 }),
        fc.array(logit, { minLength: 64, maxLength: 64 }),
        fc.double({ min: 0, minExcluded: true, max: 1, noNaN: true }),
        (heads, policy, noise, threshold) => {
          let at = 0;
          const model: Model = () => heads.map(() => Math.fround(noise[at++ % 61] ?? 0));
          const { verdict, passes, kept } = decode(model, { texts: heads, categories: categoriesOf(...policy), threshold });
          const listed = codesOf(verdict);
          expect(verdict.score).to.be.within(0, 1);
          expect(verdict.flagged).to.equal(verdict.score >= threshold).and.to.equal(listed.length > 0);
          expect(policy).to.include.members([...listed]);
          expect(new Set(listed).size).to.equal(listed.length);
          expect(kept.join('')).to.match(/^(\n\n)?(unsafe\nS(\d+,S)*)?$/);
          expect(passes).to.be.at.most(listed.length + (verdict.flagged ? 2 : 1));
          for (const score of Object.values(verdict.categoryScores ?? {})) expect(score).to.be.within(0, verdict.score);
        },
      ),
      { seed: 20250304, numRuns: 1000 },
    );
  });

  it('comes to what decoding one token a pass comes to', () => {
    const variants = [labelTexts, withoutDoubleNewline, withComma];
    let flagged = 0;
    for (let seed = 1; seed <= 300; seed++) {
      const texts = variants[seed % variants.length] ?? labelTexts;
      const setup = { texts, categories: categoriesOf('S3', 'S1', 'S10', 'S7'), threshold: [0.5, 0.01][seed % 2] ?? 0.5 };
      const model = randomModel(seed, texts.length);
      const slow = decodeSlowly(model, setup);
      const { verdict } = decode(model, setup);
      expect([verdict.score, ...codesOf(verdict)], `seed ${seed}`).to.deep.equal([slow.pUnsafe, ...slow.listed]);
      for (const [code, score] of slow.scores) {
        expect(verdict.categoryScores?.[code], `seed ${seed} ${code}`).to.be.closeTo(score, 1e-6);
        expect(score, `seed ${seed} ${code}`).to.be.at.most((slow.listedAtAll.get(code) ?? 0) + 1e-6);
      }
      if (verdict.flagged) flagged++;
    }
    expect(flagged).to.be.within(100, 290);
  });

  const nonFinite = { code: 'ERR_LLAMA_GUARD_NON_FINITE' };
  for (const value of [NaN, Infinity, -Infinity]) {
    it(`gives an error and no verdict for a logit of ${value}, in any row and pass`, () => {
      for (const row of labelTexts.keys()) {
        for (const bad of ['', '\n\n', 'unsafe\nS', 'unsafe\nS1', 'unsafe\nS1,S']) {
          const model: Model = (context) =>
            labelTexts.map((text, at) => (context.join('') === bad && at === row ? value : ['unsafe', '1'].includes(text) ? 5 : 0));
          expect(() => decode(model, full), `row ${row} after ${JSON.stringify(bad)}`).to.throw().that.includes(nonFinite);
        }
      }
    });
  }

  it('gives an error and no verdict where the softmax fails', () => {
    for (const broken of [() => new Float32Array(20).fill(NaN), () => new Float32Array()]) {
      const decoder = new VerdictDecoder(new LabelSet(labelsOf(labelTexts)), all, { softmax: broken });
      expect(() => decoder.accept(new Float32Array(40))).to.throw().that.includes(nonFinite);
      expect(() => decoder.result()).to.throw().with.property('code', 'ERR_LLAMA_GUARD_INTERNAL');
    }
  });

  it('gives no result after a failed pass', () => {
    const decoder = new VerdictDecoder(new LabelSet(labelsOf(labelTexts)), all, { softmax });
    expect(() => decoder.accept(new Float32Array(40).fill(NaN))).to.throw().that.includes(nonFinite);
    expect(() => decoder.result()).to.throw().with.property('code', 'ERR_LLAMA_GUARD_INTERNAL');
  });

  it('rejects a wrong number of logits, and logits after the end', () => {
    const decoder = new VerdictDecoder(new LabelSet(labelsOf(labelTexts)), all, { softmax });
    expect(() => decoder.accept(new Float32Array(20))).to.throw(/Expected 40 logits, found 20/);
    decoder.accept(Float32Array.from([...labelTexts, ...labelTexts], (text) => (text === 'safe' ? 1 : 0)));
    expect(() => decoder.accept(new Float32Array(0))).to.throw().with.property('code', 'ERR_LLAMA_GUARD_INTERNAL');
    expect(decoder.result().verdict).to.equal('safe');
  });

  for (const threshold of [0, -0.1, 1.0001, NaN, Infinity, '0.5']) {
    it(`rejects a threshold of ${typeof threshold} ${threshold}`, () => {
      expect(() => decode(scripted({}), { ...full, threshold: threshold as number }))
        .to.throw(/0 < review <= block <= 1/)
        .with.property('code', 'ERR_LLAMA_GUARD_INVALID_ARGUMENT');
    });
  }

  it('rejects a threshold of review above that of block', () => {
    expect(() => decode(scripted({}), { ...full, review: 0.6, threshold: 0.5 })).to.throw(/found 0.6 and 0.5/);
  });

  it('rejects an empty policy and a category that the head cannot say', () => {
    for (const categories of [[], categoriesOf('S1', 'S14')]) {
      expect(() => decode(scripted({}), { ...full, categories })).to.throw().with.property('code', 'ERR_LLAMA_GUARD_UNKNOWN_CATEGORY');
    }
  });
});
