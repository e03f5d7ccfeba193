// SPDX-License-Identifier: Apache-2.0
// config.json of a converted model: from text to a checked value. docs/packing-format.md describes the fields.

import { LlamaGuardError } from '../errors/index.js';
import type { ModelDims } from '../native/addon.js';
import type { Category } from '../prompt/taxonomy.js';
import type { Label } from '../scoring/labels.js';
import { FieldReader } from './field-reader.js';

export const groupSizes = [32, 64, 128, 256] as const;
export type GroupSize = (typeof groupSizes)[number];

export interface SourceFile {
  readonly name: string;
  readonly sha256: string;
}

export interface ModelSource {
  readonly name: string;
  readonly files: readonly SourceFile[];
}

export interface ModelConfig {
  readonly dims: ModelDims;
  readonly rmsNormEps: number;
  readonly layout: 'panel16';
  readonly group: GroupSize;
  readonly embeddingGroup: GroupSize;
  readonly labels: readonly Label[];
  readonly taxonomy: readonly Category[];
  /** The model must not guard anything real. */
  readonly demo: boolean;
  readonly source: ModelSource | undefined;
  readonly generator: string | undefined;
}

const maxLabels = 256;
const maxCategories = 256;
const panelRows = 16;

/**
 * Checks the text of a config.json.
 * @throws {ERR_LLAMA_GUARD_BAD_CONFIG} naming the field, what was expected and what was found
 */
export function parseConfig(file: string, text: string): ModelConfig {
  const root = new FieldReader(file, parseJson(file, text));
  root.oneOf('format', ['llama-guard-int4']);
  root.oneOf('formatVersion', [1]);
  const quantization = root.object('quantization');
  const labels = readLabels(root, root.object('model').integer('vocabSize', 1, 2 ** 24));
  const dims = readDims(root.object('model'), labels.length);
  checkRope(root.object('rope'));
  return {
    dims,
    rmsNormEps: root.object('model').number('rmsNormEps', 0, 1),
    layout: quantization.oneOf('layout', ['panel16'] as const),
    group: readGroup(quantization, 'group', [dims.hiddenSize, dims.intermediateSize, dims.heads * dims.headDim]),
    embeddingGroup: readGroup(quantization, 'embeddingGroup', [dims.hiddenSize]),
    labels,
    taxonomy: readTaxonomy(root),
    demo: root.boolean('demo'),
    source: root.has('source') ? readSource(root.object('source')) : undefined,
    generator: root.has('generator') ? root.string('generator', 200) : undefined,
  };
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new LlamaGuardError('ERR_LLAMA_GUARD_BAD_CONFIG', `${file} must hold JSON, and does not parse`, {
      cause: error,
    });
  }
}

function readDims(model: FieldReader, labels: number): ModelDims {
  const dims: ModelDims = {
    layers: model.integer('layers', 1, 1024),
    hiddenSize: model.integer('hiddenSize', 32, 65_536),
    intermediateSize: model.integer('intermediateSize', 32, 262_144),
    heads: model.integer('heads', 1, 1024),
    kvHeads: model.integer('kvHeads', 1, 1024),
    headDim: model.integer('headDim', 2, 1024),
    vocabSize: model.integer('vocabSize', 1, 2 ** 24),
    contextLength: model.integer('contextLength', 1, 2 ** 20),
    labels,
  };
  if (dims.heads % dims.kvHeads !== 0) {
    throw model.refusal('kvHeads', `a divisor of model.heads, which is ${dims.heads}`, dims.kvHeads);
  }
  if (dims.headDim % 2 !== 0) throw model.refusal('headDim', 'even', dims.headDim);
  if (dims.intermediateSize % panelRows !== 0) {
    throw model.refusal('intermediateSize', `a multiple of ${panelRows}`, dims.intermediateSize);
  }
  return dims;
}

function readGroup(quantization: FieldReader, name: string, inputs: readonly number[]): GroupSize {
  const group = quantization.oneOf(name, groupSizes);
  for (const width of inputs) {
    if (width % group !== 0) throw quantization.refusal(name, `a divisor of ${width}`, group);
  }
  return group;
}

function checkRope(rope: FieldReader): void {
  rope.number('theta', 0, 1e12);
  rope.oneOf('pairing', ['interleaved']);
  if (!rope.has('scaling')) return;
  const scaling = rope.object('scaling');
  scaling.oneOf('type', ['llama3']);
  scaling.number('factor', 0, 1e6);
  scaling.number('lowFreqFactor', 0, 1e6);
  scaling.number('highFreqFactor', 0, 1e6);
  scaling.integer('originalContextLength', 1, 2 ** 24);
}

function readLabels(root: FieldReader, vocabSize: number): Label[] {
  return root
    .objects('labels', 2, maxLabels)
    .map((entry) => ({ id: entry.integer('id', 0, vocabSize - 1), text: entry.string('text', 100) }));
}

function readTaxonomy(root: FieldReader): Category[] {
  const codes = new Set<string>();
  return root.objects('taxonomy', 1, maxCategories).map((entry) => {
    const category = { code: entry.string('code', 20), name: entry.string('name', 200) };
    if (!/^S[1-9][0-9]{0,2}$/.test(category.code)) throw entry.refusal('code', 'S and a number', category.code);
    if (codes.has(category.code)) throw entry.refusal('code', 'a code that no other category has', category.code);
    codes.add(category.code);
    return category;
  });
}

function readSource(source: FieldReader): ModelSource {
  const files = source.has('files') ? source.objects('files', 0, 10_000) : [];
  return {
    name: source.string('name', 1000),
    files: files.map((file) => ({ name: file.string('name', 1000), sha256: file.string('sha256', 64) })),
  };
}
