// SPDX-License-Identifier: Apache-2.0
// Before every run of mocha: no test finds a policy that another one saved beside the demo model.
process.env.LLAMA_GUARD_SNAPSHOTS ??= 'off';
