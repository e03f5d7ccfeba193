// SPDX-License-Identifier: Apache-2.0
// Random texts that stress a tokenizer: every script, white space of every kind, contractions, emoji, long runs, lone
// surrogates, control characters and the names of control tokens.

import fc from 'fast-check';

const ranges: readonly (readonly [number, number])[] = [
  [0x20, 0x7e], [0xa0, 0x24f], [0x300, 0x36f], [0x370, 0x52f], [0x531, 0x58a], [0x590, 0x6ff], [0x900, 0xdff],
  [0xe00, 0xeff], [0x10a0, 0x11ff], [0x1200, 0x139f], [0x1780, 0x18af], [0x1e00, 0x1fff], [0x2000, 0x2bff],
  [0x3000, 0x30ff], [0x4e00, 0x9fff], [0xac00, 0xd7a3], [0xf900, 0xfaff], [0xfb00, 0xfdff], [0xfe00, 0xffef],
  [0x10000, 0x10fff], [0x11000, 0x1189f], [0x1d400, 0x1d7ff], [0x1f300, 0x1faff], [0x20000, 0x2a6df], [0xe0001, 0xe007f],
];

const char = fc.oneof(...ranges.map(([min, max]) => fc.integer({ min, max }).map((codePoint) => String.fromCodePoint(codePoint))));

const whiteSpace = fc.constantFrom(
  ...' \t\n\r\v\f\u0085\u00a0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff\u180e\u200b',
);

const word = fc.constantFrom(
  'the', ' and', ' unsafe', 'safe', 'Violent', ' Crimes', 'HELLO', 'iPhone', ' don', 'Ünïcödé', ' слово', 'привет', ' मुझे', 'ภาษาไทย',
  ' tiếng Việt', ' 東京', 'こんにちは', '안녕하세요', ' مرحبا', 'שלום', 'ελληνικά', 'qzxjkvw', 'aaaaaaa', 'Straße', 'ﬁn', 'Ǆ', 'ﬅ',
);

const contraction = fc
  .tuple(fc.constantFrom("'", '’', "''", " '"), fc.constantFrom('s', 'S', 'ſ', 't', 'T', 're', 'rE', 'RE', 've', 'Ve', 'm', 'M', 'll', 'Ll', 'lL', 'l', 'd', 'D', 'K', 'st', 'res'))
  .map((parts) => parts.join(''));

const emoji = fc.constantFrom(
  '👨‍👩‍👧‍👦', '🏳️‍🌈', '👍🏽', '🇩🇪', '❤️', '1️⃣', '😀😀', '🧑🏿‍🚀', '☠️', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '‍', '️',
);

const punctuation = fc.constantFrom('.', '...', '!?', ' (', ')', '\n\n', '.\r\n', ' --', '=====', '://', '{"', '"}', '<|', '|>', '_', '#', '€', '،', '。', '、', '\\n');

const digits = fc.oneof(
  fc.nat(10 ** 9).map(String),
  fc.constantFrom('0', '12', '1234567', '٣٤٥٦', '१२३४', '½', '²³', 'Ⅷ', '𝟘𝟙𝟚𝟛', '一二', '1.5', '10'),
);

const controlChar = fc.integer({ min: 0, max: 0x9f }).map((code) => String.fromCharCode(code % 0x40 < 0x20 ? code % 0x20 : 0x7f + (code % 0x20)));

const surrogate = fc.integer({ min: 0xd800, max: 0xdfff }).map((code) => String.fromCharCode(code));

/** Names of control tokens, whole and cut. */
export const controlText = fc.constantFrom('<|eot_id|>', '<|begin_of_text|>', '<|start_header_id|>', '<|end_of_text|>', '<|eot_id|', '|eot_id|>', '<|reserved_special_token_7|>');

const anyChar = fc.oneof(char, char, whiteSpace, controlChar, surrogate, fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)));

const run = fc.tuple(fc.oneof(anyChar, word), fc.integer({ min: 2, max: 90 })).map(([text, count]) => text.repeat(count));

const fragment = fc.oneof(
  { weight: 5, arbitrary: word },
  { weight: 4, arbitrary: whiteSpace },
  { weight: 4, arbitrary: char },
  { weight: 3, arbitrary: punctuation },
  { weight: 2, arbitrary: contraction },
  { weight: 2, arbitrary: digits },
  { weight: 2, arbitrary: anyChar },
  { weight: 1, arbitrary: emoji },
  { weight: 1, arbitrary: controlChar },
  { weight: 1, arbitrary: surrogate },
  { weight: 1, arbitrary: run },
);

/** Without names of control tokens, which some references would parse. */
export const plainText = fc.array(fragment, { maxLength: 10 }).map((parts) => parts.join(''));

export const anyText = fc.array(fc.oneof({ weight: 12, arbitrary: fragment }, { weight: 1, arbitrary: controlText }), { maxLength: 10 }).map((parts) => parts.join(''));
