// SPDX-License-Identifier: Apache-2.0
// The table of categories: replaced, shortened, refused.

import { expect } from 'chai';
import type { ErrorCode } from '../../lib/errors/index.js';
import { LlamaGuardError } from '../../lib/errors/index.js';
import { type PolicyRequest, resolvePolicy } from '../../lib/prompt/policy.js';
import { defaultTaxonomy, displayName } from '../../lib/prompt/taxonomy.js';

function failure(request: unknown, sayable?: readonly string[]): LlamaGuardError {
  try {
    resolvePolicy(request as PolicyRequest, defaultTaxonomy, sayable);
  } catch (error) {
    if (LlamaGuardError.isInstance(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const codes = (request: PolicyRequest): readonly string[] =>
  resolvePolicy(request, defaultTaxonomy).categories.map((category) => category.code);

describe('resolvePolicy', () => {
  it('gives the whole table by default', () => {
    expect(resolvePolicy({}, defaultTaxonomy).categories).to.deep.equal(defaultTaxonomy);
    expect(defaultTaxonomy).to.have.length(13);
  });

  it('leaves out what is excluded, named once or twice', () => {
    expect(codes({ exclude: ['S6', 'S8', 'S6'] })).to.deep.equal(
      ['S1', 'S2', 'S3', 'S4', 'S5', 'S7', 'S9', 'S10', 'S11', 'S12', 'S13'],
    );
  });

  it('takes categories of the caller, in their order, and exclusions from them', () => {
    const categories = [{ code: 'S7', name: 'Gossip', description: 'Talk about\nneighbours.' }, { code: 'S2', name: 'Spoilers' }];
    expect(resolvePolicy({ categories }, defaultTaxonomy).categories).to.deep.equal(categories);
    expect(codes({ categories, exclude: ['S7'] })).to.deep.equal(['S2']);
  });

  it('drops fields that it does not know', () => {
    const categories = [{ code: 'S1', name: 'A', more: 1 }];
    expect(resolvePolicy({ categories }, defaultTaxonomy).categories).to.deep.equal([{ code: 'S1', name: 'A' }]);
  });

  const one = (fields: object): object => ({ categories: [{ code: 'S1', name: 'A', ...fields }] });
  const cases: readonly [string, unknown, ErrorCode, RegExp][] = [
    ['an unknown exclusion', { exclude: ['S14'] }, 'ERR_LLAMA_GUARD_UNKNOWN_CATEGORY', /exclude\[0\] "S14".*S1, S2,.*S13/],
    ['null for the categories', { categories: null }, 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /categories/],
    ['null for the exclusions', { exclude: null }, 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /exclude/],
    ['an exclusion by name', { exclude: ['Hate'] }, 'ERR_LLAMA_GUARD_UNKNOWN_CATEGORY', /"Hate"/],
    ['an exclusion of what a custom table lacks', { ...one({}), exclude: ['S2'] }, 'ERR_LLAMA_GUARD_UNKNOWN_CATEGORY', /"S2".*: S1\./],
    [
      'everything excluded',
      { exclude: defaultTaxonomy.map((category) => category.code) },
      'ERR_LLAMA_GUARD_UNKNOWN_CATEGORY',
      /at least one/,
    ],
    ['an empty table', { categories: [] }, 'ERR_LLAMA_GUARD_UNKNOWN_CATEGORY', /at least one/],
    ['a code that the head cannot say', one({ code: 'S14' }), 'ERR_LLAMA_GUARD_UNKNOWN_CATEGORY', /"S14".*S13/],
    ['a code of another form', one({ code: 'O3' }), 'ERR_LLAMA_GUARD_UNKNOWN_CATEGORY', /"O3"/],
    ['a code with a leading zero', one({ code: 'S01' }), 'ERR_LLAMA_GUARD_UNKNOWN_CATEGORY', /"S01"/],
    ['a code of the prototype', one({ code: 'constructor' }), 'ERR_LLAMA_GUARD_UNKNOWN_CATEGORY', /constructor/],
    ['a code that is no string', one({ code: 1 }), 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /categories\[0\]\.code/],
    [
      'a code twice',
      { categories: [{ code: 'S1', name: 'A' }, { code: 'S1', name: 'B' }] },
      'ERR_LLAMA_GUARD_INVALID_ARGUMENT',
      /categories\[1\]\.code "S1" is there twice/,
    ],
    ['no name', one({ name: undefined }), 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /categories\[0\]\.name/],
    ['a blank name', one({ name: ' ' }), 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /name/],
    ['a name of two lines', one({ name: 'A.\nS2: B' }), 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /one line/],
    ['a name with a line separator', one({ name: 'A\u2028B' }), 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /one line/],
    ['a blank description', one({ description: ' ' }), 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /description/],
    ['a description that is no text', one({ description: null }), 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /description/],
    ['null as a category', { categories: [null] }, 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /categories\[0\]/],
    ['a text as categories', { categories: 'S1' }, 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /must be an array/],
    ['a text as exclusions', { exclude: 'S1' }, 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /must be an array/],
    ['a number as exclusion', { exclude: [6] }, 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /exclude\[0\]/],
  ];
  for (const [what, request, code, message] of cases) {
    it(`rejects ${what}`, () => {
      const error = failure(request);
      expect(error.code).to.equal(code);
      expect(error.message).to.match(message);
    });
  }

  it('goes by the codes of the head where they are given', () => {
    const categories = [{ code: 'S14', name: 'Code Interpreter Abuse' }];
    expect(resolvePolicy({ categories }, defaultTaxonomy, ['S1', 'S14']).categories).to.deep.equal(categories);
    expect(failure({}, ['S1']).message).to.match(/categories\[1\]\.code "S2" is not one that the model can say: S1/);
  });
});

describe('displayName', () => {
  it('gives the longer names of the documentation, and its own to a category of the caller', () => {
    expect(defaultTaxonomy.map(displayName).filter((name, row) => name !== defaultTaxonomy[row]?.name)).to.deep.equal(
      ['Sex-Related Crimes', 'Child Sexual Exploitation', 'Suicide & Self-Harm'],
    );
    expect(displayName({ code: 'S1', name: 'Self-Harm' })).to.equal('Self-Harm');
  });
});
