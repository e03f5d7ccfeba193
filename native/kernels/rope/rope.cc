// SPDX-License-Identifier: Apache-2.0
// The table of this family's kernels, made from kernels.inc.
#include "kernels/rope/rope.h"

namespace lg {
namespace {

constexpr Kernel<RopeKernel> kKernels[] = {
#define LG_KERNEL(isa, name, min_rows) LG_IF_##isa({#name, Isa::isa, &name, min_rows}, )
#include "kernels/rope/kernels.inc"
#undef LG_KERNEL
};

}  // namespace

KernelList<RopeKernel> RopeKernels() { return {kKernels, sizeof kKernels / sizeof kKernels[0]}; }

}  // namespace lg
