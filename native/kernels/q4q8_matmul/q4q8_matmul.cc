// SPDX-License-Identifier: Apache-2.0
// The table of this family's kernels, made from kernels.inc.
#include "kernels/q4q8_matmul/q4q8_matmul.h"

namespace lg {
namespace {

constexpr Kernel<Q4Q8MatmulKernel> kKernels[] = {
#define LG_KERNEL(isa, name, min_rows) LG_IF_##isa({#name, Isa::isa, &name, min_rows}, )
#include "kernels/q4q8_matmul/kernels.inc"
#undef LG_KERNEL
};

}  // namespace

KernelList<Q4Q8MatmulKernel> Q4Q8MatmulKernels() { return {kKernels, sizeof kKernels / sizeof kKernels[0]}; }

}  // namespace lg
