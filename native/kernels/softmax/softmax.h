// SPDX-License-Identifier: Apache-2.0
// y = softmax(x) over one row: exp(x - max) * (1 / sum), the sum in 16 lanes: docs/numerics.md.
#pragma once

#include <cstddef>

#include "kernels/registry.h"

namespace lg {

struct SoftmaxArgs {
  const float* x;  // [n]
  size_t n;        // at least 1, any
  float* y;        // [n]; may be x
};

using SoftmaxKernel = void(const SoftmaxArgs& args);

#define LG_KERNEL(isa, name, min_rows) SoftmaxKernel name;
#include "kernels/softmax/kernels.inc"
#undef LG_KERNEL

KernelList<SoftmaxKernel> SoftmaxKernels();

}  // namespace lg
