// SPDX-License-Identifier: Apache-2.0
// Cases of the families that touch keys and values: attention and kv_store.
#include "selftest/cases.h"

namespace lg {
namespace {

// One run, or two that share blocks. Positions end within, at and behind blocks of 64 keys.
constexpr struct {
  size_t heads, head_dim, rows[2], first_positions[2], shared_blocks;
} kAttentions[] = {
    {1, 16, {1, 0}, {0, 0}, 0},   {4, 64, {1, 0}, {130, 0}, 0},  {4, 64, {5, 0}, {63, 0}, 0},    {3, 80, {33, 0}, {31, 0}, 0},
    {4, 48, {2, 1}, {65, 90}, 1}, {4, 64, {7, 3}, {128, 64}, 1}, {2, 128, {1, 1}, {127, 70}, 0},
};
constexpr float kQueries = 4.0f, kKeys = 2.0f;  // largest magnitudes

void MakeBlocks(const AttentionArgs& a, size_t run, size_t count, const uint16_t** blocks, Operands& in) {
  const uint16_t* const* const others = a.runs[0].blocks;
  for (size_t i = 0; i < count; ++i) {
    const bool shared = run > 0 && i < a.shared_blocks;
    blocks[i] = shared ? others[i] : in.Halves(a.block_offset + 2 * kKeyBlock * a.head_dim, kKeys);
  }
}

void AttentionCase(size_t index, AttentionKernel* kernel, Operands& in, Results* out) {
  const auto& shape = kAttentions[index];
  AttentionRun runs[2] = {};
  AttentionArgs a = {runs, size_t{shape.rows[1] > 0 ? 2u : 1u}, shape.shared_blocks, 32, shape.heads * shape.head_dim + 5, shape.heads,
                     shape.head_dim, 0.125f, nullptr};
  for (size_t i = 0; i < a.run_count; ++i) {
    runs[i].rows = shape.rows[i];
    runs[i].first_position = shape.first_positions[i];
    const size_t keys = runs[i].first_position + runs[i].rows, blocks = (keys + kKeyBlock - 1) / kKeyBlock;
    const uint16_t** const list = in.Line<const uint16_t*>(blocks);
    MakeBlocks(a, i, blocks, list, in);
    runs[i].blocks = list;
    runs[i].q = in.Floats(runs[i].rows * a.stride, kQueries);
    runs[i].out = in.Odd<float>(runs[i].rows * a.stride);
  }
  a.scratch = in.Line<float>(AttentionScratchFloats(RowsOfRuns(a), a.heads, a.head_dim));
  kernel(a);
  for (size_t i = 0; i < a.run_count; ++i) out->Add(runs[i].out, runs[i].rows * a.stride);
}

constexpr struct {
  size_t rows, head_dim, slot;
} kStores[] = {{1, 16, 0}, {1, 64, 63}, {3, 48, 5}, {8, 64, 8}, {9, 80, 7}, {17, 32, 40}, {64, 64, 0}};

void StoreCase(size_t index, KvStoreKernel* kernel, Operands& in, Results* out) {
  const auto& shape = kStores[index];
  const size_t stride = shape.head_dim + 3, values = 2 * kKeyBlock * shape.head_dim;
  const float* const keys = in.Floats(shape.rows * stride, 8.0f);
  const float* const wild = in.Floats(shape.rows * stride, 8.0f, Draw::wild);
  uint16_t* const block = in.Halves(values, kKeys);
  kernel({keys, wild, stride, shape.rows, shape.head_dim, shape.slot, block});
  out->Add(block, values);
}

}  // namespace

const Cases<AttentionKernel> kAttentionCases = {sizeof kAttentions / sizeof kAttentions[0], AttentionCase};
const Cases<KvStoreKernel> kKvStoreCases = {sizeof kStores / sizeof kStores[0], StoreCase};

}  // namespace lg
