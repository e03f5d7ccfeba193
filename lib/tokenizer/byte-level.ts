// SPDX-License-Identifier: Apache-2.0
// The alphabet in which tokenizer.json writes bytes as visible characters: printable Latin-1 stands for itself, and the
// other 68 bytes, in ascending order, are U+0100 and up.

const firstStandIn = 0x100;

const byteOfChar: Int16Array = buildAlphabet();

function buildAlphabet(): Int16Array {
  const bytes = new Int16Array(firstStandIn + 68).fill(-1);
  let standIn = firstStandIn;
  for (let byte = 0; byte < 256; byte++) {
    const isVisible = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    bytes[isVisible ? byte : standIn++] = byte;
  }
  return bytes;
}

/** The bytes that a token of tokenizer.json stands for, or undefined where a character is not of the alphabet. */
export function parseByteLevel(token: string): Uint8Array | undefined {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = byteOfChar[token.charCodeAt(i)] ?? -1;
    if (byte < 0) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}
