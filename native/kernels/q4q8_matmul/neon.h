// SPDX-License-Identifier: Apache-2.0
// What the NEON kernels of this family share: a tile but for its integer sums, and the walk over panels and rows.
#pragma once

#include <arm_neon.h>

#include "kernels/q4q8_matmul/tiles.h"

namespace lg {

// Scales of four outputs; `cell` counts [panel][group][16].
static LG_ALWAYS_INLINE float32x4_t LoadScalesNeon(const PanelMatrix& b, size_t cell) {
  if (b.group >= 128) return vld1q_f32(reinterpret_cast<const float*>(b.scales) + cell);
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const uint16_t*>(b.scales) + cell)));
}

// -8 * sum q - zp * sum w of four outputs, from the pair of Q8Rows::corr.
static LG_ALWAYS_INLINE int32x4_t CorrectionNeon(int16x4_t sums, int32_t corr) {
  const int32_t q_sum = corr >> 16;
  return vmlal_n_s16(vdupq_n_s32(-8 * q_sum), sums, static_cast<int16_t>(corr & 0xffff));
}

// Behind each addition to an accumulator: keeps the compiler from regrouping the chains, which takes more registers than
// there are. gcc 12 then spills, or copies accumulators around.
static LG_ALWAYS_INLINE void KeepOrder(int32x4_t* acc) { __asm__ volatile("" : "+w"(*acc)); }

// One group of R rows (at `q`, stride `q_stride`) and Q quarters of a panel (at `w`).
struct GroupNeon {
  const int8_t* q;
  size_t q_stride;
  const uint8_t* w;
  size_t group;
};

// R rows x Q quarters of a panel, from quarter `first`, over all of k. Sums::Add<R, Q> adds the products of a group.
template <typename Sums, int R, int Q>
static LG_ALWAYS_INLINE void TileNeon(const Q4Q8MatmulArgs& a, size_t row, size_t panel, size_t first, float* c) {
  const PanelMatrix& b = a.b;
  const size_t groups = b.k / b.group;
  const int8_t* q = a.a.q + row * a.a.q_stride;
  const uint8_t* w = b.q4 + panel * PanelBytes(b.k) + 16 * first;
  float32x4_t totals[R][Q];
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < Q; ++v) totals[r][v] = vdupq_n_f32(0.0f);
  }
  for (size_t g = 0; g < groups; ++g, q += b.group, w += b.group * kStepBytes / kStepInputs) {
    const size_t cell = (panel * groups + g) * kPanelRows + 4 * first;
    int32x4_t sums[R][Q];
    for (int r = 0; r < R; ++r) {
      const int32_t corr = a.a.corr[(row + r) * a.a.corr_stride + g];
      for (int v = 0; v < Q; ++v) sums[r][v] = CorrectionNeon(vld1_s16(b.sums + cell + 4 * v), corr);
    }
    Sums::template Add<R, Q>({q, a.a.q_stride, w, b.group}, sums);
    for (int v = 0; v < Q; ++v) {
      const float32x4_t scales = LoadScalesNeon(b, cell + 4 * v);
      for (int r = 0; r < R; ++r) totals[r][v] = vfmaq_f32(totals[r][v], vcvtq_f32_s32(sums[r][v]), scales);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < Q; ++v) vst1q_f32(c + r * a.c_stride + 4 * v, vmulq_n_f32(totals[r][v], a.a.inv[row + r]));
  }
}

}  // namespace lg
