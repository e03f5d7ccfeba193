// SPDX-License-Identifier: Apache-2.0
// q4q8_matmul with sdot by element. A register is 4 outputs of 4 inputs, a quarter of a panel's step; the nibbles 0..15 are
// valid signed bytes; 16 bytes of activations serve two steps. sdot does not saturate: it adds four products to int32.
//
// 8x8 tile, for many rows: 8 rows x 2 quarters = 16 accumulators, 8 registers of activations, 4 of weights and the nibble
// mask: 29 of 32. Half a panel at a time needs fewer weights unpacked per sdot than 4 rows of a whole one.
// 1x16 tile, for one or two rows, which are bound by memory: whole steps in the order of the file, prefetched.
// The float accumulators wait in L1: they are touched once a group.
#include <arm_neon.h>
#include <string.h>

#include "base/arch.h"
#include "kernels/q4q8_matmul/q4q8_matmul.h"

namespace lg {
namespace {

LG_ALWAYS_INLINE float32x4_t LoadScales(const PanelMatrix& b, size_t cell) {
  if (b.group >= 128) return vld1q_f32(reinterpret_cast<const float*>(b.scales) + cell);
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const uint16_t*>(b.scales) + cell)));
}

// -8 * sum q - zp * sum w, from the pair of Q8Rows::corr.
LG_ALWAYS_INLINE int32x4_t Correction(int16x4_t sums, int32_t corr) {
  const int32_t q_sum = corr >> 16;
  return vmlal_n_s16(vdupq_n_s32(-8 * q_sum), sums, static_cast<int16_t>(corr & 0xffff));
}

// Adds step kStep (0 or 1) of the two that 16 activations of each row meet. `w` is at the first of Q quarters.
template <int R, int Q, int kStep>
LG_ALWAYS_INLINE void AddStep(const int8x16_t (&q)[R], const uint8_t* w, int32x4_t (&acc)[R][Q]) {
  int8x16_t low[Q], high[Q];
  for (int v = 0; v < Q; ++v) {
    const uint8x16_t both = vld1q_u8(w + kStep * kStepBytes + 16 * v);
    low[v] = vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15)));
    high[v] = vreinterpretq_s8_u8(vshrq_n_u8(both, 4));
  }
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < Q; ++v) acc[r][v] = vdotq_laneq_s32(acc[r][v], low[v], q[r], 2 * kStep);
  }
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < Q; ++v) acc[r][v] = vdotq_laneq_s32(acc[r][v], high[v], q[r], 2 * kStep + 1);
  }
}

// R rows x Q quarters of a panel, from quarter `first`, over all of k.
template <int R, int Q>
LG_ALWAYS_INLINE void Tile(const Q4Q8MatmulArgs& a, size_t row, size_t panel, size_t first, float* c) {
  const PanelMatrix& b = a.b;
  const size_t groups = b.k / b.group;
  const int8_t* q = a.a.q + row * a.a.q_stride;
  const uint8_t* w = b.q4 + panel * PanelBytes(b.k) + 16 * first;
  float32x4_t totals[R][Q];
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < Q; ++v) totals[r][v] = vdupq_n_f32(0.0f);
  }
  for (size_t g = 0; g < groups; ++g) {
    const size_t cell = (panel * groups + g) * kPanelRows + 4 * first;
    int32x4_t acc[R][Q];
    for (int r = 0; r < R; ++r) {
      const int32_t corr = a.a.corr[(row + r) * a.a.corr_stride + g];
      for (int v = 0; v < Q; ++v) acc[r][v] = Correction(vld1_s16(b.sums + cell + 4 * v), corr);
    }
    for (size_t k = 0; k < b.group; k += 2 * kStepInputs, q += 2 * kStepInputs, w += 2 * kStepBytes) {
      if (R <= 2) {
        __builtin_prefetch(w + 1024);
        __builtin_prefetch(w + 1024 + kStepBytes);
      }
      int8x16_t inputs[R];
      for (int r = 0; r < R; ++r) inputs[r] = vld1q_s8(q + r * a.a.q_stride);
      AddStep<R, Q, 0>(inputs, w, acc);
      AddStep<R, Q, 1>(inputs, w, acc);
    }
    for (int v = 0; v < Q; ++v) {
      const float32x4_t scales = LoadScales(b, cell + 4 * v);
      for (int r = 0; r < R; ++r) totals[r][v] = vfmaq_f32(totals[r][v], vcvtq_f32_s32(acc[r][v]), scales);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < Q; ++v) vst1q_f32(c + r * a.c_stride + 4 * v, vmulq_n_f32(totals[r][v], a.a.inv[row + r]));
  }
}

// R rows x a whole panel, Q quarters at a time.
using TileFn = void (*)(const Q4Q8MatmulArgs&, size_t row, size_t panel, float* c);
template <int R, int Q>
void TileOf(const Q4Q8MatmulArgs& a, size_t row, size_t panel, float* c) {
  for (size_t first = 0; first < 4; first += Q) Tile<R, Q>(a, row, panel, first, c + 4 * first);
}

constexpr size_t kFewRows = 2, kManyRows = 8;
constexpr TileFn kFewTiles[kFewRows] = {TileOf<1, 4>, TileOf<2, 4>};
constexpr TileFn kManyTiles[kManyRows] = {TileOf<1, 4>, TileOf<2, 4>, TileOf<3, 2>, TileOf<4, 2>,
                                          TileOf<5, 2>, TileOf<6, 2>, TileOf<7, 2>, TileOf<8, 2>};

// Panel after panel; all rows over a panel in tiles of nearly equal height, at most `max_rows`.
void Panels(const Q4Q8MatmulArgs& a, const TileFn* tiles, size_t max_rows) {
  const size_t count = (a.m + max_rows - 1) / max_rows;
  for (size_t p = 0; p < a.panel_count; ++p) {
    for (size_t t = 0, row = 0; t < count; ++t) {
      const size_t height = (a.m - row + (count - t) - 1) / (count - t);
      tiles[height - 1](a, row, a.first_panel + p, a.c + row * a.c_stride + p * kPanelRows);
      row += height;
    }
  }
}

}  // namespace

void q4q8_matmul_1x16_neon_dotprod(const Q4Q8MatmulArgs& a) { Panels(a, kFewTiles, kFewRows); }

void q4q8_matmul_8x8_neon_dotprod(const Q4Q8MatmulArgs& a) { Panels(a, kManyTiles, kManyRows); }

}  // namespace lg
