// SPDX-License-Identifier: Apache-2.0
// Causal grouped-query attention of one sequence: the query heads of one kv head, for a run of positions.
// Online softmax over blocks of 64 keys cut at absolute positions; the order of operations is in docs/numerics.md, and
// makes a result independent of how positions are cut into calls.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/registry.h"

namespace lg {

inline constexpr size_t kKeyBlock = 64;       // keys of one block
inline constexpr size_t kMaxHeadDim = 256;
inline constexpr float kScoreFloor = -3.0e38f;  // where the running maximum starts

struct AttentionArgs {
  const float* q;   // row r, head h at q + r * stride + h * head_dim
  float* out;       // the same shape; may be q itself
  size_t stride;    // elements
  size_t rows;      // positions first_position .. first_position + rows - 1, ascending
  size_t heads;     // query heads that share the kv head
  size_t head_dim;  // a multiple of 16, at most kMaxHeadDim
  size_t first_position;
  float scale;                  // 1 / sqrt(head_dim)
  const uint16_t* const* keys;    // per block: f16 [head_dim][64]
  const uint16_t* const* values;  // per block: f16 [64][head_dim]
  float* scratch;                 // AttentionScratchFloats(...) elements, 64-byte aligned
};

// One f32 block of keys and one of values, and per (row, head): 64 scores, the running output, 16 sums, the maximum.
inline constexpr size_t AttentionScratchFloats(size_t rows, size_t heads, size_t head_dim) {
  return 2 * kKeyBlock * head_dim + rows * heads * (kKeyBlock + 2 * head_dim + 32);
}

using AttentionKernel = void(const AttentionArgs& args);

#define LG_KERNEL(isa, name, min_rows) AttentionKernel name;
#include "kernels/attention/kernels.inc"
#undef LG_KERNEL

KernelList<AttentionKernel> AttentionKernels();

}  // namespace lg
