// SPDX-License-Identifier: Apache-2.0
// y = silu(gate) * up, silu(x) = x / (1 + exp(-x)), over gate and up interleaved by panels of 16 as the w13 matmul
// leaves them. This family is kept small and explained in full: it is the template for a new one.
#pragma once

#include <cstddef>

#include "kernels/registry.h"

namespace lg {

struct SiluMulArgs {
  const float* gate_up;  // [rows][gate_up_stride]: 16 gates, 16 ups, 16 gates, ...
  size_t gate_up_stride;  // elements
  float* y;               // [rows][y_stride]
  size_t y_stride;        // elements
  size_t rows;
  size_t n;  // outputs per row, a multiple of 16
};

using SiluMulKernel = void(const SiluMulArgs& args);

#define LG_KERNEL(isa, name, min_rows) SiluMulKernel name;
#include "kernels/silu_mul/kernels.inc"
#undef LG_KERNEL

KernelList<SiluMulKernel> SiluMulKernels();

}  // namespace lg
