// SPDX-License-Identifier: Apache-2.0
// What a converted model consists of (docs/packing-format.md): the list of its tensors, its config.json, and the
// folder that takes its final name only when all of it is there.

import { readFile, readdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { LlamaGuardError, fromFileSystem } from '../errors/index.js';
import type { TensorDeclaration } from '../formats/safetensors-writer.js';
import { StagedOutput } from '../formats/staged-output.js';
import { snapshotKind } from '../kv-cache/snapshot-file.js';
import { besideModel } from '../kv-cache/snapshot-folder.js';
import type { GroupSize, ModelSource } from '../loading/config.js';
import type { ModelDims } from '../native/addon.js';
import { packageVersion } from '../native/package-version.js';
import { defaultTaxonomy } from '../prompt/taxonomy.js';
import type { Label } from '../scoring/labels.js';
import type { RopeSettings } from './rope.js';

/** Everything about a converted model but its numbers. */
export interface ContainerSpec {
  readonly dims: ModelDims;
  readonly rmsNormEps: number;
  readonly rope: RopeSettings;
  readonly group: GroupSize;
  readonly embeddingGroup: GroupSize;
  readonly labels: readonly Label[];
  readonly demo: boolean;
  readonly source: ModelSource;
}

export const panelRows = 16;

/** What replacing a model folder may remove, beside its snapshots. */
const modelFiles: readonly string[] = ['config.json', 'model.safetensors', 'tokenizer.safetensors'];

/** What the attention kernels take: whole vectors of 16 lanes, in buffers of fixed size. */
const headDimStep = 16;
const maxHeadDim = 256;

/** What about these dimensions no model folder can have; undefined where all is well. Group sizes have their own check. */
export function dimsProblem(dims: Omit<ModelDims, 'labels'>): string | undefined {
  const wrong = Object.entries(dims).find(([, size]) => !Number.isSafeInteger(size) || size < 1);
  if (wrong) return `${wrong[0]} must be a whole number above 0, found ${wrong[1]}`;
  const { heads, kvHeads, headDim } = dims;
  if (heads % kvHeads !== 0) return `kvHeads must divide heads, which is ${heads}, found ${kvHeads}`;
  if (headDim % headDimStep === 0 && headDim <= maxHeadDim) return undefined;
  return `headDim must be a multiple of ${headDimStep} and at most ${maxHeadDim}, found ${headDim}`;
}

/** Element type of scales: small groups have f16 scales. */
export function scaleType(group: GroupSize): 'F32' | 'F16' {
  return group >= 128 ? 'F32' : 'F16';
}

/** All tensors of model.safetensors, in the order of their bytes. */
export function containerTensors(spec: Pick<ContainerSpec, 'dims' | 'group' | 'embeddingGroup'>): TensorDeclaration[] {
  const { dims, embeddingGroup } = spec;
  const { hiddenSize: d, intermediateSize: f, vocabSize } = dims;
  const h = dims.heads * dims.headDim;
  const vector = (name: string, length: number): TensorDeclaration => ({ name, dtype: 'F32', shape: [length] });
  const tensors: TensorDeclaration[] = [
    { name: 'tok_embeddings.q4', dtype: 'U8', shape: [vocabSize, d / 2] },
    { name: 'tok_embeddings.scales', dtype: scaleType(embeddingGroup), shape: [vocabSize, d / embeddingGroup] },
  ];
  for (let i = 0; i < dims.layers; i++) {
    tensors.push(
      vector(`layers.${i}.attention_norm`, d),
      ...matrixTensors(`layers.${i}.attention.wqkv`, h + 2 * dims.kvHeads * dims.headDim, d, spec.group),
      ...matrixTensors(`layers.${i}.attention.wo`, d, h, spec.group),
      vector(`layers.${i}.ffn_norm`, d),
      ...matrixTensors(`layers.${i}.feed_forward.w13`, 2 * f, d, spec.group),
      ...matrixTensors(`layers.${i}.feed_forward.w2`, d, f, spec.group),
    );
  }
  tensors.push(
    vector('norm', d),
    ...matrixTensors('output', dims.labels, d, spec.group),
    vector('rope.freqs', dims.headDim / 2),
  );
  return tensors;
}

function matrixTensors(name: string, rows: number, columns: number, group: GroupSize): TensorDeclaration[] {
  const panels = Math.ceil(rows / panelRows);
  const groups = [panels, columns / group, panelRows];
  return [
    { name: `${name}.q4`, dtype: 'U8', shape: [panels, columns / 8, 64] },
    { name: `${name}.scales`, dtype: scaleType(group), shape: groups },
    { name: `${name}.sums`, dtype: 'I16', shape: groups },
  ];
}

/** The text of config.json. */
export function containerConfig(spec: ContainerSpec): string {
  const { labels: _, ...dims } = spec.dims;
  const { theta, scaling } = spec.rope;
  const config = {
    format: 'llama-guard-int4',
    formatVersion: 1,
    model: { ...dims, rmsNormEps: spec.rmsNormEps },
    rope: { theta, pairing: 'interleaved', ...(scaling && { scaling: { type: 'llama3', ...scaling } }) },
    quantization: { layout: 'panel16', group: spec.group, embeddingGroup: spec.embeddingGroup },
    labels: spec.labels,
    taxonomy: defaultTaxonomy.map(({ code, name }) => ({ code, name })),
    demo: spec.demo,
    source: spec.source,
    generator: `llama-guard-int4 ${packageVersion()}`,
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/**
 * Makes a model folder: `fill` writes into a temporary folder beside `out`, which then takes the name.
 * @returns what `fill` returns
 * @param force replace a model folder that is there; a folder with anything else in it is never replaced
 * @throws {ERR_LLAMA_GUARD_INVALID_ARGUMENT} `out` exists and may not be replaced
 * @throws {ERR_LLAMA_GUARD_WRITE_FAILED} it cannot be written; nothing is left then
 */
export async function writeModelFolder<T>(
  out: string,
  { force }: { force: boolean },
  fill: (folder: string) => Promise<T>,
): Promise<T> {
  const target = resolve(out);
  const place = await inspect(target);
  if (place === 'other' || (place === 'model' && !force)) {
    const why =
      place === 'model'
        ? 'holds a model already; choose another name, or allow it to be replaced by force'
        : 'exists and is no model folder, or holds other files too; choose another name';
    throw new LlamaGuardError('ERR_LLAMA_GUARD_INVALID_ARGUMENT', `${out} ${why}`);
  }
  const staged = await StagedOutput.create(target, 'folder');
  try {
    const result = await fill(staged.path);
    if (place === 'empty') await rmdir(target);
    if (place === 'model') await replaceModel(target, staged);
    else await staged.commit();
    return result;
  } catch (error) {
    await staged.discard();
    throw isSystemError(error) ? fromFileSystem(error, target, 'writing') : error;
  }
}

/** Writes a small file of a model folder. @throws {ERR_LLAMA_GUARD_WRITE_FAILED} */
export async function writeText(path: string, text: string): Promise<void> {
  await writeFile(path, text).catch((error: unknown) => {
    throw fromFileSystem(error, path, 'writing');
  });
}

async function inspect(target: string): Promise<'free' | 'empty' | 'model' | 'other'> {
  try {
    if (!(await stat(target)).isDirectory()) return 'other';
    const names = await readdir(target);
    if (names.length === 0) return 'empty';
    for (const name of names) if (!(await isReplaceable(target, name))) return 'other';
    const config = JSON.parse(await readFile(join(target, 'config.json'), 'utf8')) as { format?: unknown } | null;
    return config?.format === 'llama-guard-int4' ? 'model' : 'other';
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOENT') return 'other';
    return (await exists(target)) ? 'other' : 'free';
  }
}

async function isReplaceable(target: string, name: string): Promise<boolean> {
  if (modelFiles.includes(name)) return true;
  if (name !== besideModel) return false;
  return (await readdir(join(target, name))).every((file) => snapshotKind(file) !== undefined);
}

/** The old folder goes only after the new one stands in its place, and comes back if that fails. */
async function replaceModel(target: string, staged: StagedOutput): Promise<void> {
  const aside = `${staged.path}.old`;
  await rename(target, aside);
  try {
    await staged.commit();
  } catch (error) {
    await rename(aside, target);
    throw error;
  }
  await rm(aside, { recursive: true });
}

function isSystemError(error: unknown): boolean {
  return typeof (error as NodeJS.ErrnoException | null)?.syscall === 'string';
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
