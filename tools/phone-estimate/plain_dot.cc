// SPDX-License-Identifier: Apache-2.0
// What NEON's kernels with dot products are compared with: 8 rows x 8 outputs by sdot, over weights that are bytes already and
// lie as it reads them, [k / 4][8 outputs][4 inputs]. Only its loop is read, by tools/phone-estimate.mjs; no build has it.
#include "kernels/q4q8_matmul/neon.h"

namespace lg {

// Adds the products of 4 inputs, of which each row's are element kLane of its register.
template <int kLane>
static LG_ALWAYS_INLINE void AddFour(const int8x16_t (&q)[8], const int8_t* w, int32x4_t (&sums)[8][2]) {
  const int8x16_t weights[2] = {vld1q_s8(w + 32 * kLane), vld1q_s8(w + 32 * kLane + 16)};
  LG_UNROLL
  for (int r = 0; r < 8; ++r) {
    LG_UNROLL
    for (int v = 0; v < 2; ++v) {
      sums[r][v] = vdotq_laneq_s32(sums[r][v], weights[v], q[r], kLane);
      KeepOrder(&sums[r][v], &sums[(r + v) % 8][1 - v]);
    }
  }
}

void PlainDot(const int8_t* q, size_t q_stride, const int8_t* w, size_t k, int32_t* to) {
  int32x4_t sums[8][2];
  LG_UNROLL
  for (int r = 0; r < 8; ++r) sums[r][0] = sums[r][1] = vdupq_n_s32(0);
  for (size_t i = 0; i < k; i += 16, w += 128) {
    int8x16_t rows[8];
    LG_UNROLL
    for (int r = 0; r < 8; ++r) rows[r] = vld1q_s8(q + r * q_stride + i);
    AddFour<0>(rows, w, sums);
    AddFour<1>(rows, w, sums);
    AddFour<2>(rows, w, sums);
    AddFour<3>(rows, w, sums);
  }
  LG_UNROLL
  for (int r = 0; r < 8; ++r) {
    vst1q_s32(to + 8 * r, sums[r][0]);
    vst1q_s32(to + 8 * r + 4, sums[r][1]);
  }
}

}  // namespace lg
