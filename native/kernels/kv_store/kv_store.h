// SPDX-License-Identifier: Apache-2.0
// Keys and values of one kv head, for consecutive positions, into a block of the KV cache: f32 to f16, round to nearest
// even. Keys lie transposed there, so that attention finds 16 of them side by side for one dimension.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/attention/attention.h"
#include "kernels/registry.h"

namespace lg {

struct KvStoreArgs {
  const float* keys;    // row r at keys + r * stride: [head_dim], turned by RoPE
  const float* values;  // row r at values + r * stride: [head_dim]
  size_t stride;        // elements
  size_t rows;          // at least 1
  size_t head_dim;      // a multiple of 16
  size_t slot;          // where row 0 goes; slot + rows <= kKeyBlock
  uint16_t* block;      // f16 keys [head_dim][64], then values [64][head_dim]; other slots stay as they are
};

using KvStoreKernel = void(const KvStoreArgs& args);

#define LG_KERNEL(isa, name, min_rows) KvStoreKernel name;
#include "kernels/kv_store/kernels.inc"
#undef LG_KERNEL

KernelList<KvStoreKernel> KvStoreKernels();

}  // namespace lg
