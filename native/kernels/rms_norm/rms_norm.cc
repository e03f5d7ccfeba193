// SPDX-License-Identifier: Apache-2.0
// The table of this family's kernels, made from kernels.inc.
#include "kernels/rms_norm/rms_norm.h"

namespace lg {
namespace {

constexpr Kernel<RmsNormKernel> kKernels[] = {
#define LG_KERNEL(isa, name, min_rows) LG_IF_##isa({#name, Isa::isa, &name, min_rows}, )
#include "kernels/rms_norm/kernels.inc"
#undef LG_KERNEL
};

}  // namespace

KernelList<RmsNormKernel> RmsNormKernels() { return {kKernels, sizeof kKernels / sizeof kKernels[0]}; }

}  // namespace lg
