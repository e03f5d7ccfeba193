#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Tests the 64-bit ARM build on another machine: cross-compiles into build-linux-arm64, fetches an ARM node of this node's
# version, and runs mocha over the compiled tests under qemu, once for each CPU model, so that every NEON level is some
# model's best. Arguments: test files (default: those of test/native and the golden bits, and for the last model a choice of
# those above them). QEMU_CPU_MODEL narrows it to one model.
# LLAMA_GUARD_TEST_QUICK=0 runs every case of the kernel tests.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in aarch64-linux-gnu-g++ qemu-aarch64-static; do
  command -v "$tool" >/dev/null || {
    echo "$tool is missing: sudo apt install g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static" >&2
    exit 1
  }
done

arm_node=$(node tools/arm64-node.mjs)
node tools/build-cross.mjs linux-arm64
node tools/build-ts.mjs test

compiled=build/js/test
core=("$compiled/native/**/*.test.js" $compiled/engine/golden.test.js)
# Left out are tests of text alone, which no kernel takes part in; tests that start programs, which would be this machine's;
# and those that take more than half a minute here.
above=($compiled/{facade/{llama-guard,options,telemetry},convert/packer,engine/damaged-weights}.test.js)
above+=("$compiled/loading/*.test.js" "$compiled/scheduling/*.test.js")
export LLAMA_GUARD_ADDON_DIR=build-linux-arm64/Release QEMU_LD_PREFIX=/usr/aarch64-linux-gnu
export LLAMA_GUARD_TEST_QUICK="${LLAMA_GUARD_TEST_QUICK:-1}"

# The widest instruction set of a model; the tests fail unless it is there and its kernels run.
declare -A best=([cortex-a53]=neon [cortex-a76]=neon_dotprod [max,sve=off]=neon_i8mm)
for model in ${QEMU_CPU_MODEL:-cortex-a53 cortex-a76 max,sve=off}; do
  echo "== $model"
  tests=("$@")
  if [ $# -eq 0 ]; then tests=("${core[@]}"); fi
  if [ $# -eq 0 ] && [ "$model" = max,sve=off ]; then tests+=("${above[@]}"); fi
  # JavaScript is about fourteen times slower under qemu.
  LLAMA_GUARD_EXPECT_ISA="${best[$model]:-}" qemu-aarch64-static -cpu "$model" "$arm_node" \
    node_modules/mocha/bin/mocha.js --timeout 600000 "${tests[@]}"
done
