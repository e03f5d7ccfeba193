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
  // What is loaded before its use: 16 activations of each row, and the packed weights of a step.
  template <int R, int Q>
  struct Operands {
    int8x16_t q[R];
    uint8x16_t both[Q];
  };

  // Adds step kStep (0 or 1) of the two that `in.q` meets. Then, if there is more, weights are replaced by those at `w`, and
  // activations by those at `k` of each row, each behind its last use.
  template <int kStep, bool kMore, int R, int Q>
  static LG_ALWAYS_INLINE void AddStep(const int8_t* const (&rows)[R], size_t k, const uint8_t* w, Operands<R, Q>& in,
                                       int32x4_t (&sums)[R][Q]) {
    int8x16_t low[Q], high[Q];
    LG_UNROLL
    for (int v = 0; v < Q; ++v) KeepOrder(&in.both[v], &sums[R - 1][Q - 1]);
    LG_UNROLL
    for (int v = 0; v < Q; ++v) low[v] = vreinterpretq_s8_u8(vandq_u8(in.both[v], vdupq_n_u8(15)));
    LG_UNROLL
    for (int v = 0; v < Q; ++v) high[v] = vreinterpretq_s8_u8(vshrq_n_u8(in.both[v], 4));
    LG_UNROLL
    for (int v = 0; v < Q; ++v) KeepOrder(&low[v], &high[v], &sums[0][0]);
    LG_UNROLL
    for (int r = 0; r < R; ++r) {
      LG_UNROLL
      for (int v = 0; v < Q; ++v) {
        sums[r][v] = vdotq_laneq_s32(sums[r][v], low[v], in.q[r], 2 * kStep);
        KeepOrder(&sums[r][v], &sums[(r + (v + 1) / Q) % R][(v + 1) % Q]);
      }
    }
    LG_UNROLL
    for (int r = 0; r < R; ++r) {
      LG_UNROLL
      for (int v = 0; v < Q; ++v) {
        sums[r][v] = vdotq_laneq_s32(sums[r][v], high[v], in.q[r], 2 * kStep + 1);
        KeepOrder(&sums[r][v], &sums[(r + (v + 1) / Q) % R][(v + 1) % Q]);
        if (!kMore) continue;
        if (r == R - 1) in.both[v] = vld1q_u8(w + 16 * v);
        if (kStep == 1 && r > 0 && v == Q - 1) in.q[r - 1] = vld1q_s8(rows[r - 1] + k);
      }
    }
    if (kMore && kStep == 1) in.q[R - 1] = vld1q_s8(rows[R - 1] + k);
  }

  // Adds the two steps before `w`; if there is more, those at `w` and the activations at `k` are next.
  template <bool kMore, int R, int Q>
  static LG_ALWAYS_INLINE void AddTwoSteps(const int8_t* const (&rows)[R], size_t k, const uint8_t* w, Operands<R, Q>& in,
                                           int32x4_t (&sums)[R][Q]) {
    if (R <= 2) {
      __builtin_prefetch(w + 1024);
      __builtin_prefetch(w + 1024 + kStepBytes);
    }
    AddStep<0, true>(rows, k, w - kStepBytes, in, sums);
    AddStep<1, kMore>(rows, k, w, in, sums);
  }

  template <int R, int Q>
  static LG_ALWAYS_INLINE void Add(const GroupNeon& group, int32x4_t (&sums)[R][Q]) {
    const int8_t* rows[R];
    Operands<R, Q> in;
    LG_UNROLL
    for (int r = 0; r < R; ++r) {
      rows[r] = group.q + r * group.q_stride;
      KeepAddress(&rows[r]);
      in.q[r] = vld1q_s8(rows[r]);
    }
    LG_UNROLL
    for (int v = 0; v < Q; ++v) in.both[v] = vld1q_u8(group.w + 16 * v);
    const uint8_t* w = group.w;
    const uint8_t* const last = w + (group.group / kStepInputs - 2) * kStepBytes;
    size_t k = 0;
    while (w < last) {
      w += 2 * kStepBytes;
      k += 2 * kStepInputs;
      KeepAddress(&w);
      KeepAddress(&k);
      AddTwoSteps<true>(rows, k, w, in, sums);
    }
    AddTwoSteps<false>(rows, k, w + 2 * kStepBytes, in, sums);
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
