// SPDX-License-Identifier: Apache-2.0
// What the tokenizer room offers to the others.

export type { PreparedTensor, PreparedTokenizer, TensorData } from './prepared.js';
export { type TiktokenOptions, Tokenizer } from './tokenizer.js';
