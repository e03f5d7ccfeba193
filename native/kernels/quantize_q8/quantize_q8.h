// SPDX-License-Identifier: Apache-2.0
// One token row x[k] to INT8, asymmetric, scale and zero point from its minimum and maximum: docs/numerics.md.
// A row that holds NaN or infinity is poisoned (inv = NaN), so that no verdict can come of it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/registry.h"

namespace lg {

struct QuantizeQ8Args {
  const float* x;  // [k]
  size_t k;        // a multiple of group
  size_t group;    // 32, 64, 128 or 256
  int8_t* q;       // [k]
  int32_t* corr;   // [k/group], see Q8Rows
  float* inv;      // one value
};

using QuantizeQ8Kernel = void(const QuantizeQ8Args& args);

#define LG_KERNEL(isa, name, min_rows) QuantizeQ8Kernel name;
#include "kernels/quantize_q8/kernels.inc"
#undef LG_KERNEL

KernelList<QuantizeQ8Kernel> QuantizeQ8Kernels();

}  // namespace lg
