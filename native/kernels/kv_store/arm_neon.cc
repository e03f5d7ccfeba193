// SPDX-License-Identifier: Apache-2.0
// kv_store, 8 rows x 8 dimensions a step: 8 registers of 8 halves, transposed by zips of halves, pairs and quadruples.
#include <arm_neon.h>

#include "base/arch.h"
#include "kernels/kv_store/kv_store.h"

namespace lg {
namespace {

constexpr int kRows = 8;

LG_ALWAYS_INLINE uint16x8_t Halves8(const float* from) {
  const float16x4_t low = vcvt_f16_f32(vld1q_f32(from)), high = vcvt_f16_f32(vld1q_f32(from + 4));
  return vreinterpretq_u16_f16(vcombine_f16(low, high));
}

void StoreValues(const float* from, size_t head_dim, uint16_t* to) {
  for (size_t d = 0; d < head_dim; d += 8) vst1q_u16(to + d, Halves8(from + d));
}

// One key into its slot.
void StoreKey(const float* from, size_t head_dim, uint16_t* to) {
  for (size_t d = 0; d < head_dim; d += 8) {
    uint16_t halves[8];
    vst1q_u16(halves, Halves8(from + d));
    for (size_t i = 0; i < 8; ++i) to[(d + i) * kKeyBlock] = halves[i];
  }
}

// 8 dimensions of 8 keys into 8 slots.
LG_ALWAYS_INLINE void StoreKeys(const float* from, size_t stride, uint16_t* to) {
  uint16x8_t row[kRows];
  uint32x4_t two[kRows];
  uint64x2_t four[kRows];
  LG_UNROLL
  for (int r = 0; r < kRows; ++r) row[r] = Halves8(from + r * stride);
  LG_UNROLL
  for (int r = 0; r < kRows; r += 2) {  // pairs of rows: dimensions 0 1 2 3, then 4 5 6 7
    two[r] = vreinterpretq_u32_u16(vzip1q_u16(row[r], row[r + 1]));
    two[r + 1] = vreinterpretq_u32_u16(vzip2q_u16(row[r], row[r + 1]));
  }
  LG_UNROLL
  for (int r = 0; r < kRows; r += 4) {  // rows 0 1 2 3 or 4 5 6 7: dimensions 0 1, 2 3, 4 5, 6 7
    LG_UNROLL
    for (int half = 0; half < 2; ++half) {
      four[r + 2 * half] = vreinterpretq_u64_u32(vzip1q_u32(two[r + half], two[r + 2 + half]));
      four[r + 2 * half + 1] = vreinterpretq_u64_u32(vzip2q_u32(two[r + half], two[r + 2 + half]));
    }
  }
  LG_UNROLL
  for (int i = 0; i < 4; ++i) {
    vst1q_u16(to + (2 * i) * kKeyBlock, vreinterpretq_u16_u64(vzip1q_u64(four[i], four[4 + i])));
    vst1q_u16(to + (2 * i + 1) * kKeyBlock, vreinterpretq_u16_u64(vzip2q_u64(four[i], four[4 + i])));
  }
}

}  // namespace

void kv_store_8x8_neon(const KvStoreArgs& a) {
  uint16_t* const keys = a.block + a.slot;
  uint16_t* const values = a.block + (kKeyBlock + a.slot) * a.head_dim;
  for (size_t row = 0; row < a.rows; ++row) StoreValues(a.values + row * a.stride, a.head_dim, values + row * a.head_dim);
  size_t row = 0;
  for (; row + kRows <= a.rows; row += kRows) {
    for (size_t d = 0; d < a.head_dim; d += 8) StoreKeys(a.keys + row * a.stride + d, a.stride, keys + d * kKeyBlock + row);
  }
  for (; row < a.rows; ++row) StoreKey(a.keys + row * a.stride, a.head_dim, keys + row);
}

}  // namespace lg
