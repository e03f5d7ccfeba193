// SPDX-License-Identifier: Apache-2.0
// y = (x * r) * weight, r = 1 / sqrt(mean of x^2 + eps), the sum of squares in 16 lanes: docs/numerics.md. What a layer adds
// to the residual stream is added on the way.
#pragma once

#include <cstddef>

#include "kernels/registry.h"

namespace lg {

struct RmsNormArgs {
  float* x;             // [n]
  const float* add;     // [n]: x becomes x + add first; or null
  const float* weight;  // [n]
  size_t n;             // a multiple of 16
  float eps;
  float* y;  // [n]; x only where there is no add
};

using RmsNormKernel = void(const RmsNormArgs& args);

#define LG_KERNEL(isa, name, min_rows) RmsNormKernel name;
#include "kernels/rms_norm/kernels.inc"
#undef LG_KERNEL

KernelList<RmsNormKernel> RmsNormKernels();

}  // namespace lg
