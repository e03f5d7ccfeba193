// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding of one token, in place: each pair (x[2i], x[2i+1]) of each head turns by the token's angle i.
// a' = fma(a, cos, -(b * sin)); b' = fma(b, cos, a * sin).
#pragma once

#include <cstddef>

#include "kernels/registry.h"

namespace lg {

struct RopeArgs {
  float* x;          // [heads][head_dim]
  const float* cos;  // [head_dim], each value twice, as the lanes need it
  const float* sin;  // [head_dim], -sin on even lanes, sin on odd ones
  size_t heads;
  size_t head_dim;  // a multiple of 16
};

using RopeKernel = void(const RopeArgs& args);

#define LG_KERNEL(isa, name, min_rows) RopeKernel name;
#include "kernels/rope/kernels.inc"
#undef LG_KERNEL

KernelList<RopeKernel> RopeKernels();

}  // namespace lg
