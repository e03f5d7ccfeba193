// SPDX-License-Identifier: Apache-2.0
// The table of this family's kernels, made from kernels.inc.
#include "kernels/attention/attention.h"

namespace lg {
namespace {

constexpr Kernel<AttentionKernel> kKernels[] = {
#define LG_KERNEL(isa, name, min_rows) LG_IF_##isa({#name, Isa::isa, &name, min_rows}, )
#include "kernels/attention/kernels.inc"
#undef LG_KERNEL
};

}  // namespace

KernelList<AttentionKernel> AttentionKernels() { return {kKernels, sizeof kKernels / sizeof kKernels[0]}; }

}  // namespace lg
