// SPDX-License-Identifier: Apache-2.0
// Causal grouped-query attention: the query heads of one kv head, for runs of positions of one or more sequences.
// Online softmax over blocks of 64 keys cut at absolute positions; the order of operations is in docs/numerics.md, and
// makes a result independent of how positions are cut into calls and of the other runs of a call.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/registry.h"

namespace lg {

inline constexpr size_t kKeyBlock = 64;       // keys of one block
inline constexpr size_t kMaxHeadDim = 256;
inline constexpr float kScoreFloor = -3.0e38f;  // where the running maximum starts

// Positions first_position .. first_position + rows - 1 of one sequence.
struct AttentionRun {
  const float* q;  // row r, head h at q + r * stride + h * head_dim
  float* out;      // the same shape; may be q itself
  size_t rows;     // at least 1
  size_t first_position;
  const uint16_t* const* blocks;  // see block_offset
};

struct AttentionArgs {
  const AttentionRun* runs;
  size_t run_count;      // at least 1
  size_t shared_blocks;  // so many first blocks are those of runs[0] in every run; these end at or before each first_position
  size_t block_offset;   // at blocks[i] + block_offset lie keys, f16 [head_dim][64], and behind them values, f16 [64][head_dim]
  size_t stride;         // elements of q and out
  size_t heads;          // query heads that share the kv head
  size_t head_dim;       // a multiple of 16, at most kMaxHeadDim
  float scale;           // 1 / sqrt(head_dim)
  float* scratch;        // AttentionScratchFloats(RowsOfRuns(...), ...) elements, 64-byte aligned
};

static inline const uint16_t* KeysOf(const AttentionArgs& a, const AttentionRun& run, size_t block) {
  return run.blocks[block] + a.block_offset;
}
static inline const uint16_t* ValuesOf(const AttentionArgs& a, const AttentionRun& run, size_t block) {
  return KeysOf(a, run, block) + kKeyBlock * a.head_dim;
}
static inline size_t Least(size_t x, size_t y) { return x < y ? x : y; }

static inline size_t RowsOfRuns(const AttentionArgs& a) {
  size_t rows = 0;
  for (size_t i = 0; i < a.run_count; ++i) rows += a.runs[i].rows;
  return rows;
}

// Kernels take a block for as many rows at a time as make about 32 pairs of a row and a head: enough to hide latencies,
// few enough for their scores to stay in the first-level cache.
static inline constexpr size_t RowsOfStep(size_t heads) { return heads < 32 ? 32 / heads : 1; }
static inline constexpr size_t PairsOfStep(size_t heads) { return (RowsOfStep(heads) * heads + 15) / 16 * 16; }

// One f32 block of keys and one of values; for each pair of a step 64 scores and a factor; for each pair of a row and a
// head the query, the running output, 16 sums and the maximum.
inline constexpr size_t AttentionScratchFloats(size_t rows, size_t heads, size_t head_dim) {
  return 2 * kKeyBlock * head_dim + PairsOfStep(heads) * (kKeyBlock + 1) + rows * heads * (2 * head_dim + 17);
}

using AttentionKernel = void(const AttentionArgs& args);

#define LG_KERNEL(isa, name, min_rows) AttentionKernel name;
#include "kernels/attention/kernels.inc"
#undef LG_KERNEL

KernelList<AttentionKernel> AttentionKernels();

}  // namespace lg
