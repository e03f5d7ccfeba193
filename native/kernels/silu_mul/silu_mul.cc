// SPDX-License-Identifier: Apache-2.0
// The table of this family's kernels, made from kernels.inc.
#include "kernels/silu_mul/silu_mul.h"

namespace lg {
namespace {

constexpr Kernel<SiluMulKernel> kKernels[] = {
#define LG_KERNEL(isa, name, min_rows) LG_IF_##isa({#name, Isa::isa, &name, min_rows}, )
#include "kernels/silu_mul/kernels.inc"
#undef LG_KERNEL
};

}  // namespace

KernelList<SiluMulKernel> SiluMulKernels() { return {kKernels, sizeof kKernels / sizeof kKernels[0]}; }

}  // namespace lg
