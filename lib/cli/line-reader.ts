// SPDX-License-Identifier: Apache-2.0
// Splits a stream of bytes into lines in bounded memory: a line beyond the limit is dropped, and reported in its place.

/** A line of text, or why there is none. */
export type Line = { readonly text: string } | { readonly problem: string };

const lineFeed = 0x0a;

/** The lines of a UTF-8 stream, without their ends; lines of nothing but white space are left out. */
export async function* readLines(chunks: AsyncIterable<Uint8Array>, maxLineBytes: number): AsyncGenerator<Line> {
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  const take = (piece: Uint8Array): void => {
    bytes += piece.length;
    if (bytes <= maxLineBytes) pieces.push(piece);
    else pieces = [];
  };
  const finish = (): Line | undefined => {
    const line = bytes > maxLineBytes ? { problem: `The line is longer than ${maxLineBytes} bytes` } : decoded(pieces);
    pieces = [];
    bytes = 0;
    return 'text' in line && line.text.trim() === '' ? undefined : line;
  };
  for await (const chunk of chunks) {
    let begin = 0;
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, begin)) {
      take(chunk.subarray(begin, end));
      begin = end + 1;
      const line = finish();
      if (line) yield line;
    }
    take(chunk.subarray(begin));
  }
  const last = finish();
  if (last) yield last;
}

function decoded(pieces: readonly Uint8Array[]): Line {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces)) };
  } catch {
    return { problem: 'The line is not valid UTF-8' };
  }
}
