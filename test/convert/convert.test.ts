// SPDX-License-Identifier: Apache-2.0
// Conversion of generated checkpoints: what comes out, read by the tests' own readers and rounded by their own rounding.

import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { type ConvertProgress } from '../../lib/convert/progress.js';
import { convert, convertWith } from '../../lib/convert/convert.js';
import { openContainer } from '../../lib/loading/container.js';
import { readCheckpoint } from '../reference/checkpoint.js';
import { readContainer } from '../reference/container.js';
import * as reference from '../support/reference-pack.js';
import {
  type Files,
  Scratch,
  encodeSafetensors,
  rejection,
  tinyConfig,
  tinyFiles,
  tinyTensors,
  tinyTiktoken,
  tinyWords,
} from '../support/tiny-checkpoint.js';

/** Ids of the labels in the tokenizer of `tinyFiles`: bytes are their own ids, words follow from 256 on. */
const labelIds = [256, 257, 10, 258, 83, 259, 49, 50, 51, 52, 53, 54, 55, 56, 57, 260, 261, 262, 263, 272 + 9];
const labelTexts = 'safe unsafe \n \n\n S ,S 1 2 3 4 5 6 7 8 9 10 11 12 13 <|eot_id|>'.split(' ');

describe('convert', () => {
  const scratch = new Scratch();
  after(() => scratch.remove());

  /** Converts these files with the reference packer and returns the new folder. */
  const converted = async (files: Files, options = {}): Promise<string> => {
    const out = scratch.path();
    await convertWith(reference, scratch.folder(files), out, options);
    return out;
  };
  const weights = (folder: string): Buffer => readFileSync(join(folder, 'model.safetensors'));

  it('gives every matrix in its place, rounded, and the norms as they were', async () => {
    const source = scratch.folder(tinyFiles());
    const out = scratch.path();
    const report = await convertWith(reference, source, out);
    expect(report).to.include({ out, group: 32, layers: 2, tiedHead: false, weightBytes: weights(out).length });
    expect(report.labels).to.deep.equal(labelTexts);

    const packed = readContainer(out);
    const expected = readCheckpoint(source, { labelIds, group: 32 });
    expect(packed.labelIds).to.deep.equal(labelIds);
    expect(packed.embedding).to.deep.equal(expected.embedding);
    expect(packed.norm).to.deep.equal(expected.norm);
    expect(packed.output).to.deep.equal(expected.output);
    packed.layers.forEach((layer, i) => {
      const from = expected.layers[i]!;
      for (const name of ['wv', 'wo', 'gate', 'up', 'down', 'attentionNorm', 'ffnNorm'] as const) {
        expect(layer[name], `layer ${i}, ${name}`).to.deep.equal(from[name]);
      }
      for (const name of ['wq', 'wk'] as const) {
        expect(layer[name], `layer ${i}, ${name}`).to.deep.equal(pairHalves(from[name], 64, 16));
      }
    });
  });

  it('cuts the head without loss: its rows are those of the whole head, rounded', async () => {
    const out = await converted(tinyFiles());
    const whole = reference.quantizeRows(tinyTensors().get('lm_head.weight')!.data, 'BF16', 528, 64, 32);
    const scales = labelIds.map((id) => whole.scales.subarray(id * 4, (id + 1) * 4));
    const values = labelIds.map((id) => whole.values.subarray(id * 32, (id + 1) * 32));
    const packed = reference.packPanels(Buffer.concat(values), Buffer.concat(scales), labelIds.length, 64, 32);
    const container = await openContainer(out);
    for (const part of ['q4', 'scales', 'sums'] as const) {
      const { begin, end } = container.spec.tensors.find(({ name }) => name === `output.${part}`)!;
      expect(weights(out).subarray(begin, end).equals(packed[part]), part).to.equal(true);
    }
  });

  it('writes a config that says all that a reader needs', async () => {
    const source = scratch.folder(tinyFiles());
    const out = scratch.path();
    await convertWith(reference, source, out, { name: 'Tiny', demo: true });
    const config = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as Record<string, unknown>;
    const sha256 = createHash('sha256').update(readFileSync(join(source, 'model.safetensors'))).digest('hex');
    expect(config).to.deep.include({
      format: 'llama-guard-int4',
      formatVersion: 1,
      model: {
        layers: 2, hiddenSize: 64, intermediateSize: 96, heads: 4, kvHeads: 2, headDim: 16,
        vocabSize: 528, contextLength: 512, rmsNormEps: 1e-5,
      },
      rope: {
        theta: 500000,
        pairing: 'interleaved',
        scaling: { type: 'llama3', factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 },
      },
      quantization: { layout: 'panel16', group: 32, embeddingGroup: 32 },
      labels: labelIds.map((id, i) => ({ id, text: labelTexts[i] })),
      demo: true,
      source: { name: 'Tiny', files: [{ name: 'model.safetensors', sha256 }] },
    });
    expect(config['taxonomy']).to.deep.include({ code: 'S13', name: 'Elections' }).and.have.length(13);
    const container = await openContainer(out);
    expect(container.tokenizer.encode('safe')).to.deep.equal(Uint32Array.of(256));
  });

  it('limits the context to 8192 positions and leaves out scaling that is not there', async () => {
    const out = await converted(tinyFiles(tinyTensors(), { ...tinyConfig, max_position_embeddings: 131072, rope_scaling: null }));
    const config = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as { model: object; rope: object };
    expect(config.model).to.include({ contextLength: 8192 });
    expect(config.rope).to.deep.equal({ theta: 500000, pairing: 'interleaved' });
  });

  it('gives the same bytes for every type of the source, also where types are mixed', async () => {
    const expected = weights(await converted(tinyFiles()));
    const mixed = (name: string) => (name.includes('k_proj') || name.includes('up') ? 'F16' : name.includes('v_proj') ? 'BF16' : 'F32');
    for (const dtypeOf of [() => 'F32' as const, () => 'F16' as const, mixed] as const) {
      const found = weights(await converted(tinyFiles(tinyTensors({ dtypeOf }))));
      expect(found.equals(expected)).to.equal(true);
    }
  });

  it('gives the same bytes for shards as for one file, and records each shard', async () => {
    const tensors = tinyTensors();
    const { 'model.safetensors': _, ...files } = tinyFiles(tensors);
    const inFirst = (name: string): boolean => /embed|mlp|layers.1/.test(name);
    const shard = (first: boolean): Buffer => encodeSafetensors(new Map([...tensors].filter(([name]) => inFirst(name) === first)));
    const weight_map = Object.fromEntries([...tensors.keys()].map((name) => [name, inFirst(name) ? 'a.safetensors' : 'b.safetensors']));
    const out = await converted({
      ...files,
      'a.safetensors': shard(true),
      'b.safetensors': shard(false),
      'model.safetensors.index.json': JSON.stringify({ weight_map }),
    });
    expect(weights(out).equals(weights(await converted(tinyFiles())))).to.equal(true);
    const { source } = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as { source: { files: { name: string }[] } };
    expect(source.files.map(({ name }) => name)).to.deep.equal(['a.safetensors', 'b.safetensors']);
  });

  /** `tinyFiles` with a head of these rows alone. */
  const cutHead = (ids: readonly number[]): Files => {
    const tensors = tinyTensors();
    const head = tensors.get('lm_head.weight')!;
    const rows = ids.map((id) => head.data.subarray(id * 128, (id + 1) * 128));
    tensors.set('lm_head.weight', { ...head, shape: [ids.length, 64], data: Buffer.concat(rows) });
    return tinyFiles(tensors, { ...tinyConfig, head_token_ids: ids });
  };

  it('takes a head that was cut before, whatever the order of its rows', async () => {
    const out = await converted(cutHead([7, ...labelIds].reverse()));
    expect(weights(out).equals(weights(await converted(tinyFiles())))).to.equal(true);
  });

  it('refuses a cut head that lacks a word of the verdict', async () => {
    const error = await rejection(converted(cutHead(labelIds.slice(1))));
    expect(error.code).to.equal('ERR_LLAMA_GUARD_BAD_TENSOR');
    expect(error.message).to.contain('head_token_ids lacks the token 256');
  });

  it('takes a tied head from the embedding', async () => {
    const untied = tinyTensors();
    untied.set('lm_head.weight', untied.get('model.embed_tokens.weight')!);
    const tied = tinyTensors({ tied: true });
    expect(weights(await converted(tinyFiles(tied))).equals(weights(await converted(tinyFiles(untied))))).to.equal(true);
  });

  it('reads tokenizer.json as well', async () => {
    const json = readFileSync('test/fixtures/guard-tiny/tokenizer.json', 'utf8');
    const { 'tokenizer.model': _, ...files } = tinyFiles(tinyTensors({ vocabSize: 4096 }), { ...tinyConfig, vocab_size: 4096 });
    const out = await converted({ ...files, 'tokenizer.json': json });
    const { vocab } = (JSON.parse(json) as { model: { vocab: Record<string, number> } }).model;
    const { labels } = (await openContainer(out)).config;
    expect(labels.map(({ text }) => text)).to.deep.equal(labelTexts);
    expect(labels[1]!.id).to.equal(vocab['unsafe']);
    // In the byte-level alphabet of tokenizer.json, U+010A stands for a line feed.
    expect(labels[3]!.id).to.equal(vocab['\u010a\u010a']);
    expect(labels.at(-1)!.id).to.equal(4095);
  });

  it('takes "," for the separator where ",S" is no token', async () => {
    const words = tinyWords.map((word) => (word === ',S' ? 'xy' : word));
    const out = await converted({ ...tinyFiles(), 'tokenizer.model': tinyTiktoken(words) });
    expect((await openContainer(out)).config.labels[5]).to.deep.equal({ id: 44, text: ',' });
  });

  it('takes the group that is asked for where it divides', async () => {
    const config = { ...tinyConfig, intermediate_size: 128 };
    const tensors = tinyTensors();
    for (const [name, tensor] of tensors) {
      if (!name.includes('mlp')) continue;
      const [rows = 0] = tensor.shape;
      const shape = rows === 96 ? [128, 64] : [64, 128];
      tensors.set(name, { ...tensor, shape, data: new Uint8Array(2 * 128 * 64) });
    }
    const files = tinyFiles(tensors, config);
    expect((await openContainer(await converted(files))).config.group).to.equal(64);
    expect((await openContainer(await converted(files, { group: 32 }))).config.group).to.equal(32);
  });

  it('reports progress that grows to its total', async () => {
    const seen: ConvertProgress[] = [];
    await converted(tinyFiles(), { onProgress: (progress: ConvertProgress) => seen.push(progress) });
    const done = seen.map(({ bytesDone }) => bytesDone);
    expect(done).to.deep.equal([...done].sort((a, b) => a - b));
    expect(done.at(-1)).to.equal(seen[0]!.bytesTotal);
    expect(seen.map(({ item }) => item)).to.include.members(['model.safetensors', 'tok_embeddings.q4', 'layers.1.feed_forward.w2.q4']);
  });

  it('gives the same folder with the native functions', async () => {
    const source = scratch.folder(tinyFiles());
    const [native, plain] = [scratch.path(), scratch.path()];
    await convert(source, native);
    await convertWith(reference, source, plain);
    expect(readdirSync(native).sort()).to.deep.equal(['config.json', 'model.safetensors', 'tokenizer.safetensors']);
    for (const name of readdirSync(native)) {
      expect(readFileSync(join(native, name)).equals(readFileSync(join(plain, name))), name).to.equal(true);
    }
  });
});

/** Rows of halves (i, i + headDim/2 of a head) as rows of pairs (2i, 2i + 1). */
function pairHalves(matrix: Float64Array, columns: number, headDim: number): Float64Array {
  const paired = new Float64Array(matrix.length);
  const row = (index: number): Float64Array => matrix.subarray(index * columns, (index + 1) * columns);
  for (let head = 0; head < matrix.length / columns / headDim; head++) {
    for (let pair = 0; pair < headDim / 2; pair++) {
      const first = head * headDim;
      paired.set(row(first + pair), (first + 2 * pair) * columns);
      paired.set(row(first + headDim / 2 + pair), (first + 2 * pair + 1) * columns);
    }
  }
  return paired;
}
