// SPDX-License-Identifier: Apache-2.0
// Classes of phones: cores that work (the fastest cluster, or two, as many threads as cores), clocks, and the rate at which
// they read memory together. All of it is assumed, after what such phones' makers state; read rates are well below the
// memory's own.

const dotprod = { many: 'q4q8_matmul_8x8_neon_dotprod', one: 'q4q8_matmul_1x16_neon_dotprod' };

export const phones = [
  {
    name: 'old or cheapest: Cortex-A53',
    cores: [{ core: 'cortex-a53', count: 4, ghz: 2.0 }],
    readGBs: 4,
    many: 'q4q8_matmul_4x8_neon',
    one: 'q4q8_matmul_1x16_neon',
  },
  { name: 'small cores only: Cortex-A55', cores: [{ core: 'cortex-a55', count: 4, ghz: 1.8 }], readGBs: 6, ...dotprod },
  { name: 'mid-range: Cortex-A78', cores: [{ core: 'neoverse-n1', count: 2, ghz: 2.2 }], readGBs: 11, ...dotprod },
  {
    name: 'high end: Cortex-X1 and A78',
    cores: [{ core: 'neoverse-v1', count: 1, ghz: 2.8 }, { core: 'neoverse-n1', count: 3, ghz: 2.4 }],
    readGBs: 22,
    ...dotprod,
  },
  {
    name: 'with i8mm: Cortex-A710',
    cores: [{ core: 'neoverse-n2', count: 3, ghz: 2.5 }],
    readGBs: 22,
    many: 'q4q8_matmul_4x16_neon_i8mm',
    one: 'q4q8_matmul_1x16_neon_dotprod',
  },
];

/** What the paper on the INT4 model states for a phone: at least so many tokens a second, the first after so many seconds. */
export const paper = { tokensPerSecond: 30, firstTokenSeconds: 2.5 };

/** Tokens of a short call: policy, which the prefix cache keeps, and message with instruction. */
export const call = { policy: 136, whole: 218, fresh: 84 };
