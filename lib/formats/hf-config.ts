// SPDX-License-Identifier: Apache-2.0
// config.json of a Hugging Face Llama checkpoint: the fields that decide what is computed, checked; everything that
// would change the computation in a way that the engine does not know is refused by name.

import { LlamaGuardError } from '../errors/index.js';

/** RoPE scaling of Llama 3.1 and later. */
export interface Llama3RopeScaling {
  readonly factor: number;
  readonly lowFreqFactor: number;
  readonly highFreqFactor: number;
  /** Positions that the model was first trained for. */
  readonly originalContextLength: number;
}

export interface HfConfig {
  readonly layers: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly vocabSize: number;
  readonly maxPositions: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  readonly ropeScaling: Llama3RopeScaling | undefined;
  /** What the config says; a checkpoint without lm_head.weight is tied as well. */
  readonly tiedHead: boolean;
  /** `head_token_ids`: which token each row of a head stands for that was cut already; undefined for a full head. */
  readonly headTokenIds: readonly number[] | undefined;
}

/** Beyond any Llama decoder, and small enough that no product of two overflows. */
const maxSize = 2 ** 24;

/**
 * Reads the text of a config.json.
 * @throws {ERR_LLAMA_GUARD_BAD_CONFIG} no JSON, or a field is missing, of the wrong type or contradicts another
 * @throws {ERR_LLAMA_GUARD_UNSUPPORTED_MODEL} no plain Llama decoder; names the field
 */
export function parseHfConfig(text: string, path: string): HfConfig {
  const fields = new Fields(parseObject(text, path), path);
  refuseOtherModels(fields);
  const heads = fields.size('num_attention_heads');
  const hiddenSize = fields.size('hidden_size');
  const rope = readRope(fields);
  const config = {
    layers: fields.size('num_hidden_layers'),
    hiddenSize,
    intermediateSize: fields.size('intermediate_size'),
    heads,
    kvHeads: fields.size('num_key_value_heads', heads),
    headDim: fields.size('head_dim', hiddenSize / heads),
    vocabSize: fields.size('vocab_size'),
    maxPositions: fields.size('max_position_embeddings', 2048),
    rmsNormEps: fields.positive('rms_norm_eps', 1e-6),
    ropeTheta: rope.theta,
    ropeScaling: rope.scaling,
    tiedHead: fields.flag('tie_word_embeddings'),
    headTokenIds: fields.ids('head_token_ids', fields.size('vocab_size')),
  };
  if (config.tiedHead && config.headTokenIds) throw fields.bad('head_token_ids', 'absent where the head is tied');
  if (config.heads % config.kvHeads !== 0) {
    throw fields.bad('num_key_value_heads', `a divisor of num_attention_heads, which is ${heads}`);
  }
  if (config.headDim % 2 !== 0) throw fields.bad('head_dim', 'even');
  return config;
}

function parseObject(text: string, path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new LlamaGuardError('ERR_LLAMA_GUARD_BAD_CONFIG', `${path} is not valid JSON`, { cause: error });
  }
  if (isRecord(value)) return value;
  throw new LlamaGuardError('ERR_LLAMA_GUARD_BAD_CONFIG', `${path} is not a JSON object`);
}

function refuseOtherModels(fields: Fields): void {
  const type = fields.get('model_type');
  if (type !== 'llama') throw fields.unsupported('model_type', '"llama"');
  const activation = fields.get('hidden_act') ?? 'silu';
  if (activation !== 'silu') throw fields.unsupported('hidden_act', '"silu"');
  for (const name of ['attention_bias', 'mlp_bias']) {
    if (fields.flag(name)) throw fields.unsupported(name, 'false');
  }
  if (fields.get('quantization_config') !== undefined) throw fields.unsupported('quantization_config', 'absent');
  if ((fields.get('partial_rotary_factor') ?? 1) !== 1) throw fields.unsupported('partial_rotary_factor', '1');
}

/** `rope_theta` and `rope_scaling`, or `rope_parameters`, which newer files hold in their place. */
function readRope(fields: Fields): { theta: number; scaling: Llama3RopeScaling | undefined } {
  const joined = fields.object('rope_parameters');
  const scaling = joined ?? fields.object('rope_scaling');
  const theta = (joined?.has('rope_theta') ? joined : fields).positive('rope_theta', 10_000);
  if (!scaling) return { theta, scaling: undefined };
  const typeName = scaling.has('rope_type') ? 'rope_type' : 'type';
  const type = scaling.get(typeName) ?? 'default';
  if (type === 'default') return { theta, scaling: undefined };
  if (type !== 'llama3') throw scaling.unsupported(typeName, '"llama3" or "default"');
  const read = {
    factor: scaling.positive('factor'),
    lowFreqFactor: scaling.positive('low_freq_factor'),
    highFreqFactor: scaling.positive('high_freq_factor'),
    originalContextLength: scaling.size('original_max_position_embeddings'),
  };
  if (read.highFreqFactor <= read.lowFreqFactor) throw scaling.bad('high_freq_factor', 'above low_freq_factor');
  return { theta, scaling: read };
}

/** Fields of a JSON object by name; null counts as absent. */
class Fields {
  constructor(
    private readonly values: Readonly<Record<string, unknown>>,
    private readonly path: string,
    private readonly prefix = '',
  ) {}

  get(name: string): unknown {
    return Object.hasOwn(this.values, name) ? (this.values[name] ?? undefined) : undefined;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  size(name: string, fallback?: number): number {
    const value = this.get(name) ?? fallback;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= maxSize) return value;
    throw this.bad(name, `a whole number from 1 to ${maxSize}`, value);
  }

  positive(name: string, fallback?: number): number {
    const value = this.get(name) ?? fallback;
    if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
    throw this.bad(name, 'a number above 0', value);
  }

  flag(name: string): boolean {
    const value = this.get(name) ?? false;
    if (typeof value === 'boolean') return value;
    throw this.bad(name, 'true or false');
  }

  /** Different token ids below `limit`. */
  ids(name: string, limit: number): readonly number[] | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    const isId = (id: unknown): id is number => Number.isInteger(id) && (id as number) >= 0 && (id as number) < limit;
    if (Array.isArray(value) && value.length > 0 && value.every(isId) && new Set(value).size === value.length) return value;
    throw this.bad(name, `a list of different token ids below ${limit}`);
  }

  object(name: string): Fields | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    if (isRecord(value)) return new Fields(value, this.path, `${this.prefix}${name}.`);
    throw this.bad(name, 'an object');
  }

  bad(name: string, expected: string, found: unknown = this.get(name)): LlamaGuardError {
    return new LlamaGuardError('ERR_LLAMA_GUARD_BAD_CONFIG', this.say(name, expected, found));
  }

  unsupported(name: string, expected: string): LlamaGuardError {
    return new LlamaGuardError('ERR_LLAMA_GUARD_UNSUPPORTED_MODEL', this.say(name, expected, this.get(name)));
  }

  private say(name: string, expected: string, found: unknown): string {
    const shown = found === undefined ? 'nothing' : JSON.stringify(found).slice(0, 60);
    return `${this.path}: ${this.prefix}${name} must be ${expected}, found ${shown}`;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
