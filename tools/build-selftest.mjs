// SPDX-License-Identifier: Apache-2.0
// `npm run build:selftest`: the kernel self-test as a static program, for this machine or for the target named, such as
// linux-arm64: copied to a machine without Node, it tells whether the kernels are right there.

import { buildWithCmake } from './build-cmake.mjs';
import { requireTarget } from './build-cross.mjs';
import { isMain, progress } from './common.mjs';
import { withLock } from './lock.mjs';

if (isMain(import.meta.url)) {
  const { out, args } = requireTarget(process.argv[2] ?? `${process.platform}-${process.arch}`);
  withLock(() => buildWithCmake({ out, args: [...args, '--target', 'selftest'], quiet: true }));
  progress(`${out}/Release/selftest`);
}
