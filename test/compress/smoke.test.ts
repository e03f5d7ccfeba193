// SPDX-License-Identifier: Apache-2.0
// The whole of compress/ at the smallest scale, and what it hands over: the conversion has the nibbles and scales that
// training saw, and the package gives the logits that PyTorch gives, within the bound of docs/compression.md.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect } from 'chai';

import { convert } from '../../lib/convert/convert.js';
import { openSafetensors } from '../../lib/formats/safetensors.js';
import { LlamaGuard } from '../../lib/index.js';
import { openContainer } from '../../lib/loading/container.js';
import { packPanels } from '../support/reference-pack.js';
import { Scratch } from '../support/tiny-checkpoint.js';
import { compress, findPython } from './python.js';

const group = 32;

interface Proof {
  readonly labels: readonly string[];
  readonly conversations: readonly { role: 'user' | 'assistant'; content: string }[][];
  readonly logits: readonly number[][];
  readonly logits_without_activation_rounding: readonly number[][];
}

/** A matrix of the export as training saw it: rows of nibbles and of scales. */
interface Rounded {
  readonly values: readonly Uint8Array[];
  readonly scales: readonly Uint8Array[];
}

/** Logits but for a constant: what a softmax leaves of them. */
function centered(logits: readonly number[]): number[] {
  const mean = logits.reduce((a, b) => a + b, 0) / logits.length;
  return logits.map((x) => x - mean);
}

function rootMeanSquare(values: readonly number[]): number {
  return Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
}

/** Lanes i and i + half of a head become neighbors. */
function pairLanes<T>(rows: readonly T[], headDim: number): T[] {
  const half = headDim / 2;
  return rows.map((_, to) => rows[to - (to % headDim) + Math.floor((to % headDim) / 2) + (to % 2) * half]!);
}

/** Gate and up by turns, 16 rows each. */
function byTurns<T>(gate: readonly T[], up: readonly T[]): T[] {
  return gate.flatMap((_, i) => (i % 16 === 0 ? [...gate.slice(i, i + 16), ...up.slice(i, i + 16)] : []));
}

describe('compress: the smoke recipe', function () {
  this.timeout(1_200_000);
  const scratch = new Scratch();
  const run = scratch.path();
  const exported = join(run, 'export');
  const model = scratch.path();
  after(() => scratch.remove());

  before(async function () {
    const reason = skipReason();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      this.skip();
    }
    const train = scratch.path();
    // A tenth of the lines is enough, and the steps that walk through all of them take minutes otherwise.
    const lines = readFileSync('compress/corpus/train.jsonl', 'utf8').trimEnd().split('\n');
    writeFileSync(train, lines.filter((_, i) => i % 10 === 0).join('\n'));
    compress(findPython()!, ['run', 'compress/recipes/smoke.yaml', '--out', run, '--threads', '2', '--set', `train=${train}`]);
    await convert(exported, model, { group });
  });

  it('converts to the nibbles, scales and sums that PyTorch computed, bit for bit', async () => {
    const proof = await openSafetensors(join(exported, 'proof.safetensors'));
    const container = await openContainer(model);
    const { layers, headDim, hiddenSize, intermediateSize } = container.config.dims;
    const bytesOf = async (name: string): Promise<Uint8Array[]> => {
      const bytes = await proof.read(name);
      const rows = proof.tensor(name).shape[0]!;
      const size = bytes.length / rows;
      return Array.from({ length: rows }, (_, row) => bytes.subarray(row * size, (row + 1) * size));
    };
    const rounded = async (name: string): Promise<Rounded> => ({
      values: await bytesOf(`${name}.weight.values`),
      scales: await bytesOf(`${name}.weight.scales`),
    });
    const file = readFileSync(join(model, 'model.safetensors'));
    const expectEqual = (name: string, expected: Uint8Array): void => {
      const { begin, end } = container.spec.tensors.find((tensor) => tensor.name === name)!;
      expect(file.subarray(begin, end).equals(expected), name).to.equal(true);
    };
    const expectMatrix = (name: string, columns: number, parts: Rounded): void => {
      const packed = packPanels(Buffer.concat(parts.values), Buffer.concat(parts.scales), parts.values.length, columns, group);
      for (const part of ['q4', 'scales', 'sums'] as const) expectEqual(`${name}.${part}`, packed[part]);
    };
    const each = (parts: readonly Rounded[], join: (rows: readonly Uint8Array[][]) => Uint8Array[]): Rounded => ({
      values: join(parts.map(({ values }) => [...values])),
      scales: join(parts.map(({ scales }) => [...scales])),
    });
    for (let i = 0; i < layers; i++) {
      const part = (name: string) => rounded(`model.layers.${i}.${name}_proj`);
      const qkv = await Promise.all(['q', 'k', 'v'].map((x) => part(`self_attn.${x}`)));
      const joined = each(qkv, ([q, k, v]) => [...pairLanes(q!, headDim), ...pairLanes(k!, headDim), ...v!]);
      expectMatrix(`layers.${i}.attention.wqkv`, hiddenSize, joined);
      expectMatrix(`layers.${i}.attention.wo`, hiddenSize, await part('self_attn.o'));
      const gateUp = await Promise.all([part('mlp.gate'), part('mlp.up')]);
      expectMatrix(`layers.${i}.feed_forward.w13`, hiddenSize, each(gateUp, ([gate, up]) => byTurns(gate!, up!)));
      expectMatrix(`layers.${i}.feed_forward.w2`, intermediateSize, await part('mlp.down'));
    }
    expectMatrix('output', hiddenSize, await rounded('lm_head'));
    const embedding = await rounded('model.embed_tokens');
    expectEqual('tok_embeddings.q4', Buffer.concat(embedding.values));
    expectEqual('tok_embeddings.scales', Buffer.concat(embedding.scales));
    await proof.close();
  });

  it('gives through the package the label logits that PyTorch computed, within the derived bound', async () => {
    const proof = JSON.parse(readFileSync(join(exported, 'proof.json'), 'utf8')) as Proof;
    // What rounding all activations does to a logit, and the share of roundings that two right computations take
    // differently: docs/compression.md.
    const moved = proof.logits.flatMap((row, i) => {
      const unrounded = centered(proof.logits_without_activation_rounding[i]!);
      return centered(row).map((x, j) => x - unrounded[j]!);
    });
    const bound = 6 * rootMeanSquare(moved) * Math.sqrt(12 * 0.0233);
    expect(bound).to.be.within(1e-5, 0.2);
    await using guard = await LlamaGuard.load(model, { threads: 2 });
    for (const [i, messages] of proof.conversations.entries()) {
      const { labels } = await guard.moderate(messages, { labels: true });
      expect(labels!.map(({ text }) => text)).to.deep.equal(proof.labels);
      const ours = centered(labels!.map(({ probability }) => Math.log(probability)));
      const theirs = centered(proof.logits[i]!);
      ours.forEach((x, j) => expect(x, `conversation ${i}, ${JSON.stringify(proof.labels[j])}`).to.be.closeTo(theirs[j]!, bound));
    }
  });
});

function skipReason(): string | undefined {
  if (process.env['LLAMA_GUARD_TEST_COMPRESS'] === undefined) return 'takes minutes: LLAMA_GUARD_TEST_COMPRESS=1 runs it';
  return findPython() === undefined ? 'no Python with torch, numpy, regex and yaml (docs/compression.md)' : undefined;
}
