// SPDX-License-Identifier: Apache-2.0
// q4q8_matmul with sdot by element. A register is 4 outputs of 4 inputs, a quarter of a panel's step; the nibbles 0..15 are
// valid signed bytes; 16 bytes of activations serve two steps. sdot does not saturate: it adds four products to int32.
//
// 8x8 tile, for many rows: 8 rows x 2 quarters = 16 accumulators, 8 registers of activations, 4 of weights and the nibble
// mask: 29 of 32. Half a panel at a time needs fewer weights unpacked per sdot than 4 rows of a whole one.
// 1x16 tile, for one or two rows, which are bound by memory: whole steps in the order of the file, prefetched.
// The float accumulators wait in L1: they are touched once a group.
#include "kernels/q4q8_matmul/neon.h"

namespace lg {
namespace {

struct DotSums {
  // Adds step kStep (0 or 1) of the two that 16 activations of each row meet. `w` is at the first of Q quarters.
  template <int R, int Q, int kStep>
  static LG_ALWAYS_INLINE void AddStep(const int8x16_t (&q)[R], const uint8_t* w, int32x4_t (&sums)[R][Q]) {
    int8x16_t low[Q], high[Q];
    for (int v = 0; v < Q; ++v) {
      const uint8x16_t both = vld1q_u8(w + kStep * kStepBytes + 16 * v);
      low[v] = vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15)));
      high[v] = vreinterpretq_s8_u8(vshrq_n_u8(both, 4));
    }
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < Q; ++v) {
        sums[r][v] = vdotq_laneq_s32(sums[r][v], low[v], q[r], 2 * kStep);
        KeepOrder(&sums[r][v]);
      }
    }
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < Q; ++v) {
        sums[r][v] = vdotq_laneq_s32(sums[r][v], high[v], q[r], 2 * kStep + 1);
        KeepOrder(&sums[r][v]);
      }
    }
  }

  template <int R, int Q>
  static LG_ALWAYS_INLINE void Add(GroupNeon in, int32x4_t (&sums)[R][Q]) {
    for (size_t k = 0; k < in.group; k += 2 * kStepInputs, in.q += 2 * kStepInputs, in.w += 2 * kStepBytes) {
      if (R <= 2) {
        __builtin_prefetch(in.w + 1024);
        __builtin_prefetch(in.w + 1024 + kStepBytes);
      }
      int8x16_t inputs[R];
      for (int r = 0; r < R; ++r) inputs[r] = vld1q_s8(in.q + r * in.q_stride);
      AddStep<R, Q, 0>(inputs, in.w, sums);
      AddStep<R, Q, 1>(inputs, in.w, sums);
    }
  }
};

// R rows x a whole panel, Q quarters at a time.
template <int R, int Q>
void TileOf(const Q4Q8MatmulArgs& a, size_t row, size_t panel, float* c) {
  for (size_t first = 0; first < 4; first += Q) TileNeon<DotSums, R, Q>(a, row, panel, first, c + 4 * first);
}

constexpr TileFn kFewTiles[] = {TileOf<1, 4>, TileOf<2, 4>};
constexpr TileFn kManyTiles[] = {TileOf<1, 4>, TileOf<2, 4>, TileOf<3, 2>, TileOf<4, 2>,
                                     TileOf<5, 2>, TileOf<6, 2>, TileOf<7, 2>, TileOf<8, 2>};

}  // namespace

void q4q8_matmul_1x16_neon_dotprod(const Q4Q8MatmulArgs& a) { RunTiles(a, kFewTiles); }

void q4q8_matmul_8x8_neon_dotprod(const Q4Q8MatmulArgs& a) { RunTiles(a, kManyTiles); }

}  // namespace lg
