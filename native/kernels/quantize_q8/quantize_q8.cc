// SPDX-License-Identifier: Apache-2.0
// The table of this family's kernels, made from kernels.inc.
#include "kernels/quantize_q8/quantize_q8.h"

namespace lg {
namespace {

constexpr Kernel<QuantizeQ8Kernel> kKernels[] = {
#define LG_KERNEL(isa, name, min_rows) LG_IF_##isa({#name, Isa::isa, &name, min_rows}, )
#include "kernels/quantize_q8/kernels.inc"
#undef LG_KERNEL
};

}  // namespace

KernelList<QuantizeQ8Kernel> QuantizeQ8Kernels() { return {kKernels, sizeof kKernels / sizeof kKernels[0]}; }

}  // namespace lg
