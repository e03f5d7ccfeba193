// SPDX-License-Identifier: Apache-2.0
// The text of the section on phones, from figures.

import { assumed, bytesOfToken, model } from './derive.mjs';
import { cores } from './kernels.mjs';
import { call, paper } from './phones.mjs';

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

/** One figure for each compiler, in the compilers' order. */
function each(figures, digits) {
  return figures.map((figure) => figure.toFixed(digits)).join(' / ');
}

const short = (kernel) => `\`${kernel.replace('q4q8_matmul_', '')}\``;
const perThousand = 1024;

/** How far above its multiply-accumulates alone a loop of dotprod or i8mm may be. */
const goal = 1.3;

/** `rows`: {kernel, core, bound, loop[], whole[], plain[]} in cycles of one multiply-accumulate, an array by compiler. */
function productTable(rows) {
  const scaled = (figures) => each(figures.map((figure) => figure * perThousand), 1);
  return table(
    ['kernel', 'core', 'estimate: loop', 'estimate: multiply-accumulates alone', 'estimate: ratio', 'estimate: plain loop + unpacking', 'estimate: with work between groups'],
    rows.map(({ kernel, core, bound, loop, whole, plain }) => [
      short(kernel), cores[core], scaled(loop), scaled([bound]), each(loop.map((figure) => figure / bound), 2),
      plain === undefined ? 'no sdot' : scaled(plain), scaled(whole),
    ]),
  );
}

/** The loops that miss the goal by some compiler; a line of its own, since it changes with the figures. */
function missing(rows) {
  const missed = rows.filter(({ loop, bound, plain }) => loop.some((figure, i) => figure > goal * bound || figure > plain?.[i]));
  const names = missed.map(({ kernel, core }) => `${short(kernel)} on ${cores[core]}`);
  return `Goal: within ${goal} of the multiply-accumulates alone, and no slower than the plain loop + unpacking. By estimate missed by: ${names.join(', ') || 'none'}.`;
}

/** `rows`: {kernel, core, bytesPerCycle[]}. */
function singleRowTable(rows) {
  return table(
    ['kernel', 'core', 'estimate: bytes of weights a cycle', 'estimate: GB/s at 2 GHz'],
    rows.map(({ kernel, core, bytesPerCycle }) => [short(kernel), cores[core], each(bytesPerCycle, 1), each(bytesPerCycle.map((bytes) => bytes * 2), 1)]),
  );
}

function coresOf(phone) {
  return phone.cores.map(({ count, ghz }) => `${count} x ${ghz.toFixed(1)} GHz`).join(' + ');
}

const reaches = (figure, isReached) => `${figure} (${isReached ? 'yes' : 'no'})`;
const percent = (share) => `${Math.round(share * 100)} %`;

/** `rows`: {phone, whole, fresh, decode} as `passSeconds` gives them. */
function phoneTable(rows) {
  const { tokensPerSecond, firstTokenSeconds } = paper;
  const first = ({ seconds }) => reaches(seconds.toFixed(2), seconds <= firstTokenSeconds);
  return table(
    [
      'phone (assumed)', 'threads and clocks (assumed)', 'read rate (assumed), GB/s', `estimate: prefill of ${call.whole}, tokens/s`,
      `estimate: whole call, s (${firstTokenSeconds} s reached)`, `estimate: policy kept, s (${firstTokenSeconds} s reached)`,
      'estimate: share beside products', `estimate: decode, tokens/s (${tokensPerSecond} reached)`, 'estimate: decode is bound by',
    ],
    rows.map(({ phone, whole, fresh, decode }) => [
      phone.name, coresOf(phone), String(phone.readGBs), (call.whole / whole.seconds).toFixed(0), first(whole), first(fresh),
      `${percent(whole.share)}, decode ${percent(decode.share)}`,
      reaches((1 / decode.seconds).toFixed(1), 1 / decode.seconds >= tokensPerSecond), decode.boundBy,
    ]),
  );
}

function modelTable(models) {
  return table(
    ['core asked for', "LLVM's model"],
    Object.entries(models).map(([core, name]) => [`\`${core}\``, name]),
  );
}

/** The whole section. */
export function sectionText({ version, compilers, models, products, cautious, singleRows, phones }) {
  const names = compilers.map(({ name }) => name).join(' / ');
  const boundA55 = products.find(({ core }) => core === 'cortex-a55').bound;
  const megabytes = (bytesOfToken(model, 0) / 1e6).toFixed(0);
  return `Estimates: no phone has run this. \`llvm-mca\` ${version} takes the inner loops as ${names} compile them (in this order, where a cell has more figures than one) and computes their cycles from LLVM's models of cores, with all data in the first-level cache. \`node tools/phone-estimate.mjs --write\` makes this section; versions of compilers and of LLVM change it.

**Estimate of inner loops**: cycles for ${perThousand} multiply-accumulates, at ${call.fresh} rows of activations. "Alone" is a loop of the one instruction from registers. The plain loop reads weights that are bytes already (\`tools/phone-estimate/plain_dot.cc\`, loads not moved ahead); added to it is what unpacking takes at least, from registers. The last column adds corrections, scales and the float sums, once in ${model.group} inputs.

${productTable(products)}

${missing(products)}

For cores that do not reorder (A53, A55, A510) \`llvm-mca\` lets no instruction write its result before an earlier one's, so that a load or an addition behind a multiplication often costs a cycle more than its units would need. Its model of A55 gives 16-byte loads with a constant offset a cycle of their own, and those with a register as offset none beside a multiplication; if all had one, the estimate for \`8x8_neon_dotprod\` would be ${each(cautious.map((figure) => figure * perThousand), 1)}, ratio ${each(cautious.map((figure) => figure / boundA55), 2)}.

**Estimate for one row**, which reads every weight once: above what a core reads from memory, the kernel is bound by memory.

${singleRowTable(singleRows)}

**Estimate for phones**, with the ${compilers.at(-1).name} loops. One pass over n new tokens behind k kept ones takes

\`max(n * ${model.weights.toLocaleString('en')} * c / (rate * ${assumed.reached}), bytes / read rate) * (1 + ${assumed.rest}) + (keys * ${2 * model.headDim * model.queryHeads * model.layers} * c_attention + n * ${model.feedForward * model.layers} * c_silu) / (rate * ${assumed.reached})\`

where c are the estimated cycles of one multiply-accumulate, with the work between groups, and of attention's and SiLU's loops; rate sums the cores' clocks; keys is n * k + n * (n + 1) / 2; bytes are ${megabytes} MB of weights, scales and sums, and keys and values. Assumed: ${percent(assumed.reached)} of the loops' speed is reached, and norms, quantizing, RoPE, the exponentials of attention and waiting of threads take ${percent(assumed.rest)} of the products' time. A whole call has ${call.whole} tokens, ${call.fresh} where the policy's ${call.policy} are kept; decoding is one token behind ${call.whole}. "Reached" compares with the paper on the INT4 model: ${paper.tokensPerSecond} tokens/s, and ${paper.firstTokenSeconds} s to the first token.

${phoneTable(phones)}

LLVM ${version} has no models of its own for most cores of phones, and takes those of the table. The estimates take Neoverse N1, the server's form of Cortex-A76, for A76 and A78; Neoverse V1 for Cortex-X1, and N2 for A710, which are close relatives too.

${modelTable(models)}
`;
}
