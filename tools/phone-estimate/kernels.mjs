// SPDX-License-Identifier: Apache-2.0
// Which loops of which kernels are estimated, for which cores.

import { assemble } from './compilers.mjs';
import { countAccumulates, countOf, loopWithMost, withoutRegisterOffsets } from './assembly.mjs';
import { analyze, cyclesOf, throughput } from './mca.mjs';

/** Cores whose loops are estimated, by LLVM's names. */
export const cores = {
  'cortex-a53': 'Cortex-A53',
  'cortex-a55': 'Cortex-A55',
  'cortex-a510': 'Cortex-A510',
  'cortex-a72': 'Cortex-A72',
  'neoverse-n1': 'Neoverse N1',
  'neoverse-n2': 'Neoverse N2',
  'neoverse-v1': 'Neoverse V1',
};

const folder = 'native/kernels/q4q8_matmul';

/**
 * Matrix products: the function of the tile, `rows` x `outputs`, one instruction that multiplies (D is its result), and cores.
 * `hasUnpackLoop`: weights are unpacked in a loop of their own, once for all rows, and not in the one that multiplies.
 */
export const products = [
  {
    kernel: 'q4q8_matmul_4x8_neon', file: `${folder}/arm_neon.cc`, isa: 'neon', function: /TileOfILi4ELi2E/, rows: 4, outputs: 8,
    multiply: 'smlal D.8h, v24.8b, v25.8b', cores: ['cortex-a53', 'cortex-a72'],
  },
  {
    kernel: 'q4q8_matmul_8x8_neon_dotprod', file: `${folder}/arm_neon_dotprod.cc`, isa: 'neon_dotprod', function: /TileOfILi8ELi2E/,
    rows: 8, outputs: 8, multiply: 'sdot D.4s, v24.16b, v25.4b[1]', cores: ['cortex-a55', 'neoverse-n1', 'neoverse-v1'],
  },
  {
    kernel: 'q4q8_matmul_4x16_neon_i8mm', file: `${folder}/arm_neon_i8mm.cc`, isa: 'neon_i8mm', function: /TileOfILi4E/, rows: 4,
    outputs: 16, multiply: 'smmla D.4s, v24.16b, v25.16b', cores: ['cortex-a510', 'neoverse-n2', 'neoverse-v1'],
    hasUnpackLoop: true,
  },
];

/** Products of one row, as in decoding. Where there is i8mm, one row takes the kernel for dot products. */
export const singleRows = [
  {
    kernel: 'q4q8_matmul_1x16_neon', file: `${folder}/arm_neon.cc`, isa: 'neon', function: /TileOfILi1ELi4E/, rows: 1, outputs: 16,
    multiply: products[0].multiply, cores: ['cortex-a53', 'cortex-a72'],
  },
  {
    kernel: 'q4q8_matmul_1x16_neon_dotprod', file: `${folder}/arm_neon_dotprod.cc`, isa: 'neon_dotprod', function: /TileOfILi1ELi4E/,
    rows: 1, outputs: 16, multiply: products[1].multiply,
    cores: ['cortex-a55', 'cortex-a510', 'neoverse-n1', 'neoverse-n2', 'neoverse-v1'],
  },
];

const texts = new Map();

/** Assembly text of a file, compiled once. */
function assembledOnce(compiler, file, isa) {
  const key = `${compiler.command} ${file}`;
  if (!texts.has(key)) texts.set(key, assemble(compiler, file, isa));
  return texts.get(key);
}

const bytesOf = (body) => countAccumulates(body, 'bytes');
const floatsOf = (body) => countAccumulates(body, 'floats');

/** Finds a loop, or ends with the reason: a kernel has changed its shape, or the compiler its output. */
function findLoop(text, what, functionPattern, count) {
  const loop = loopWithMost(text, functionPattern, count);
  if (loop === undefined) throw new Error(`${what}: no such loop in a function that matches ${functionPattern}`);
  return loop;
}

/** The loops of one product by one compiler; `plain` is that of plain_dot.cc. */
export function productLoops(product, compiler) {
  const text = assembledOnce(compiler, product.file, product.isa);
  const loop = findLoop(text, product.kernel, product.function, bytesOf);
  // The loop that unpacks shifts and multiplies nothing.
  const shifts = (body) => (bytesOf(body) === 0 ? countOf(body, 'ushr') : 0);
  const unpack = product.hasUnpackLoop ? findLoop(text, `${product.kernel}, unpacking`, /./, shifts) : undefined;
  return { ...loop, unpack: unpack?.body };
}

export function plainLoop(compiler) {
  const text = assemble(compiler, 'tools/phone-estimate/plain_dot.cc', 'neon_dotprod');
  return findLoop(text, 'plain_dot.cc', /PlainDot/, bytesOf);
}

/** Loops of the operators beside the products, with what one iteration does. */
export function otherLoops(compiler) {
  const attention = assemble(compiler, 'native/kernels/attention/arm_neon.cc', 'neon');
  const silu = assemble(compiler, 'native/kernels/silu_mul/arm_neon.cc', 'neon');
  return {
    scores: findLoop(attention, 'attention, scores', /ScoresILi4Ef/, floatsOf).body,
    outputs: findLoop(attention, 'attention, outputs', /OutputsILi4Ef/, floatsOf).body,
    silu: findLoop(silu, 'silu_mul', /silu_mul/, floatsOf).body,
  };
}

/** Multiply-accumulates of the plain loop. */
export const plainAccumulates = bytesOf;

const cycles = (mca, core, body) => cyclesOf(analyze(mca, core, body));

/** Cycles of a product's loops on a core, in the form that derive.mjs takes. */
export function measureProduct(mca, core, { body, around, unpack }) {
  const steps = unpack === undefined ? 0 : countOf(unpack, 'ushr') / 4;
  return {
    loop: { cycles: cycles(mca, core, body), accumulates: bytesOf(body) },
    around: { cycles: cycles(mca, core, around), accumulates: bytesOf(around) },
    unpackCycles: unpack === undefined ? 0 : cycles(mca, core, unpack) / steps,
  };
}

/**
 * Cycles on Cortex-A55 of one multiply-accumulate in a loop, if loads with a register as offset were issued as those with a
 * constant one are: LLVM's model lets only the latter take a cycle of their own.
 */
export function cautiousA55(mca, { body }) {
  return cycles(mca, 'cortex-a55', withoutRegisterOffsets(body)) / bytesOf(body);
}

/** Cycles of one multiply-accumulate from registers. */
export function boundOf(mca, core, { multiply }) {
  return throughput(mca, core, multiply) / bytesOf([multiply.replace('D', 'v0')]);
}

const unpackSteps = ['and D.16b, v24.16b, v25.16b', 'ushr D.16b, v24.16b, #4'];
const zipSteps = ['zip1 D.4s, v24.4s, v25.4s', 'zip2 D.4s, v24.4s, v25.4s'];

/** Cycles to unpack one step of 4 outputs, packed and unpacked in registers. */
export function unpackBoundOf(mca, core, { hasUnpackLoop }) {
  const instructions = hasUnpackLoop ? [...unpackSteps, ...zipSteps] : unpackSteps;
  return instructions.reduce((sum, instruction) => sum + throughput(mca, core, instruction), 0);
}

/** Cycles of one iteration on a core of each of the loops in `otherLoops`, for one multiply-accumulate or one value. */
export function measureOthers(mca, core, { scores, outputs, silu }) {
  const attention = cycles(mca, core, scores) + cycles(mca, core, outputs);
  return {
    attention: attention / (floatsOf(scores) + floatsOf(outputs)),
    silu: cycles(mca, core, silu) / 16,
  };
}
