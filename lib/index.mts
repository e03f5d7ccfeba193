// SPDX-License-Identifier: Apache-2.0
/**
 * The package for `import`: what `require` gives, under the same names. A program that uses both has one set of classes.
 *
 * @module
 * @example
 * import { LlamaGuard } from 'llama-guard-int4';
 *
 * await using guard = await LlamaGuard.load();
 * console.log((await guard.moderate('How do I sharpen a kitchen knife?')).verdict);
 */

export { defaultTaxonomy, LlamaGuard, LlamaGuardError } from './index.js';
export type * from './index.js';
