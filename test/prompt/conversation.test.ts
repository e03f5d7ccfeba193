// SPDX-License-Identifier: Apache-2.0
// What is a conversation and what is not; errors name the place and never the text.

import { expect } from 'chai';
import type { ErrorCode } from '../../lib/errors/index.js';
import { LlamaGuardError } from '../../lib/errors/index.js';
import { normalizeConversation, trimText } from '../../lib/prompt/conversation.js';

const secret = 'the-text-of-a-message';

function failure(input: unknown): LlamaGuardError {
  try {
    normalizeConversation(input as string);
  } catch (error) {
    if (LlamaGuardError.isInstance(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('normalizeConversation', () => {
  it('takes a text as one user message and leaves it as it is', () => {
    expect(normalizeConversation(' hi\n')).to.deep.equal([{ role: 'user', texts: [' hi\n'] }]);
  });

  it('takes messages, text parts, and agent for assistant', () => {
    const turns = normalizeConversation([
      { role: 'user', content: 'a' },
      { role: 'agent', content: [{ type: 'text', text: 'b' }, { type: 'text', text: ' c' }] },
      { role: 'user', content: '' },
      { role: 'assistant', content: [{ type: 'text', text: '' }, { type: 'text', text: 'd' }] },
    ]);
    expect(turns).to.deep.equal([
      { role: 'user', texts: ['a'] },
      { role: 'assistant', texts: ['b', ' c'] },
      { role: 'user', texts: [''] },
      { role: 'assistant', texts: ['', 'd'] },
    ]);
  });

  const cases: readonly [string, unknown, ErrorCode, RegExp][] = [
    ['an empty list', [], 'ERR_LLAMA_GUARD_EMPTY_CONVERSATION', /empty list/],
    ['an empty text', '', 'ERR_LLAMA_GUARD_EMPTY_CONVERSATION', /messages\[0\]/],
    ['white space', ' \t\n\u00a0\u2003', 'ERR_LLAMA_GUARD_EMPTY_CONVERSATION', /messages\[0\]/],
    ['no part', [{ role: 'user', content: [] }], 'ERR_LLAMA_GUARD_EMPTY_CONVERSATION', /messages\[0\]/],
    [
      'an empty last message',
      [{ role: 'user', content: secret }, { role: 'assistant', content: ' ' }],
      'ERR_LLAMA_GUARD_EMPTY_CONVERSATION',
      /messages\[1\]/,
    ],
    [
      'an assistant first',
      [{ role: 'assistant', content: secret }],
      'ERR_LLAMA_GUARD_ROLE_ORDER',
      /messages\[0\].*"user".*found "assistant"/,
    ],
    ['a system message', [{ role: 'system', content: secret }], 'ERR_LLAMA_GUARD_ROLE_ORDER', /messages\[0\].*found "system"/],
    [
      'two user messages in a row',
      [{ role: 'user', content: secret }, { role: 'user', content: secret }],
      'ERR_LLAMA_GUARD_ROLE_ORDER',
      /messages\[1\].*"assistant".*found "user"/,
    ],
    ['a missing role', [{ content: secret }], 'ERR_LLAMA_GUARD_ROLE_ORDER', /found undefined/],
    ['a role of the prototype', [{ role: 'constructor', content: secret }], 'ERR_LLAMA_GUARD_ROLE_ORDER', /constructor/],
    ['nothing', undefined, 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /found undefined/],
    ['null', null, 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /found null/],
    ['one message without a list', { role: 'user', content: secret }, 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /found object/],
    ['a list of texts', [secret], 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /messages\[0\].*found string/],
    ['a hole in the list', [, { role: 'user', content: secret }], 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /messages\[0\].*found undefined/],
    ['no content', [{ role: 'user' }], 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /content.*found undefined/],
    ['a number as content', [{ role: 'user', content: 7 }], 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /content.*found number/],
    [
      'an image',
      [{ role: 'user', content: [{ type: 'text', text: secret }, { type: 'image_url', image_url: secret }] }],
      'ERR_LLAMA_GUARD_INVALID_ARGUMENT',
      /content\[1\].*found type "image_url"/,
    ],
    ['a part without text', [{ role: 'user', content: [{ type: 'text' }] }], 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /content\[0\]/],
    ['null as a part', [{ role: 'user', content: [null] }], 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /content\[0\].*found null/],
    ['text parts that are texts', [{ role: 'user', content: [secret] }], 'ERR_LLAMA_GUARD_INVALID_ARGUMENT', /content\[0\].*found string/],
  ];
  for (const [what, input, code, message] of cases) {
    it(`rejects ${what}`, () => {
      const error = failure(input);
      expect(error.code).to.equal(code);
      expect(error.message).to.match(message).and.not.include(secret);
    });
  }

  it('shortens a role that is a whole text', () => {
    expect(failure([{ role: 'x'.repeat(1000), content: 'a' }]).message.length).to.be.below(300);
  });
});

describe('trimText', () => {
  it('removes what str.strip of Python removes, and nothing else', () => {
    // From Python: [c for c in range(0x10000) if chr(c).isspace()]
    const spaces = [
      9, 10, 11, 12, 13, 28, 29, 30, 31, 32, 133, 160, 5760, 8192, 8193, 8194, 8195, 8196, 8197, 8198, 8199, 8200, 8201,
      8202, 8232, 8233, 8239, 8287, 12288,
    ];
    const removed = Array.from({ length: 0x10000 }, (_, code) => code).filter((code) => trimText(String.fromCharCode(code)) === '');
    expect(removed).to.deep.equal(spaces);
  });

  it('keeps white space within', () => {
    expect(trimText('\n a \n b\u00a0')).to.equal('a \n b');
  });

  it('is linear where a backtracking pattern would not be', () => {
    const text = `a${' '.repeat(2_000_000)}b`;
    expect(trimText(text)).to.equal(text);
  });
});
