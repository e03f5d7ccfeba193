// SPDX-License-Identifier: Apache-2.0
// Before every run of mocha: no test finds a policy that another one saved beside the demo model. Under an emulator
// (tools/test-arm64.mjs) tests start node by the emulator as well, and every timeout, be it a test's own, is multiplied.
const { Runnable } = require('mocha');

process.env.LLAMA_GUARD_SNAPSHOTS ??= 'off';
process.execPath = process.env.LLAMA_GUARD_TEST_NODE ?? process.execPath;

const factor = Number(process.env.LLAMA_GUARD_TEST_TIMEOUTS ?? 1);
const { timeout } = Runnable.prototype;
// Suites pass theirs on to tests and hooks through this, so that each is multiplied once.
Runnable.prototype.timeout = function (...ms) {
  return timeout.apply(this, ms.map((one) => one * factor));
};
