// SPDX-License-Identifier: Apache-2.0
// Modules that a first verdict does without, loaded when they are first asked for: each costs a start about a third of a
// millisecond, and Node's streams more.

export function streaming(): typeof import('./streaming/index.js') {
  return require('./streaming/index.js') as typeof import('./streaming/index.js');
}

export function inOrderModule(): typeof import('../scheduling/in-order.js') {
  return require('../scheduling/in-order.js') as typeof import('../scheduling/in-order.js');
}
