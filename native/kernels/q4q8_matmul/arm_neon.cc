// SPDX-License-Identifier: Apache-2.0
// q4q8_matmul for CPUs without dot products: smlal multiplies 8 bytes by 8 bytes into int16 sums. A register of weights is 4
// outputs of 4 inputs, so that its halves are 2 outputs each, and 4 activations are repeated for all of them.
//
// No overflow: a product is at most 15 * 128 = 1920 in magnitude. A lane adds two products a step, 8 in a run of four steps,
// at most 15360; the pairwise addition that follows doubles that to 30720 < 32767; then sadalp widens to int32. Every
// group (32 to 256 inputs) is a whole number of runs.
//
// 4x8 tile, for many rows: 4 rows x 2 quarters x 2 halves = 16 registers of int16 sums, 4 of activations, 4 with 4 of these
// repeated, 2 of packed weights, 2 of nibbles and the mask: 29 of 32. The 8 of int32 sums are touched once a run, and may wait
// in memory. 1x16 tile, for one or two rows: whole steps in the order of the file, prefetched. Loads stand a step ahead.
#include "kernels/q4q8_matmul/neon.h"

namespace lg {
namespace {

constexpr int kRunSteps = 4;  // steps whose sums int16 holds

struct LongSums {
  // What is loaded before its use: 16 activations of each row, and the packed weights of a step.
  template <int R, int Q>
  struct Operands {
    int8x16_t q[R];
    uint8x16_t both[Q];
  };

  // Multiplies inputs 4 * kPart .. 4 * kPart + 3 of the 32 in a run and adds; the first products are the sums.
  template <int kPart, int R, int Q>
  static LG_ALWAYS_INLINE void AddPart(const Operands<R, Q>& in, int16x8_t (&acc)[R][Q][2]) {
    int8x16_t four[R], weights[Q];
    LG_UNROLL
    for (int v = 0; v < Q; ++v) {
      weights[v] = vreinterpretq_s8_u8(kPart % 2 == 0 ? vandq_u8(in.both[v], vdupq_n_u8(15)) : vshrq_n_u8(in.both[v], 4));
    }
    LG_UNROLL
    for (int r = 0; r < R; ++r) four[r] = vreinterpretq_s8_s32(vdupq_laneq_s32(vreinterpretq_s32_s8(in.q[r]), kPart % 4));
    LG_UNROLL
    for (int r = 0; r < R; ++r) {
      LG_UNROLL
      for (int v = 0; v < Q; ++v) {
        int16x8_t(&sums)[2] = acc[r][v];
        const int8x8_t half = vget_low_s8(weights[v]);
        sums[0] = kPart == 0 ? vmull_s8(half, vget_low_s8(four[r])) : vmlal_s8(sums[0], half, vget_low_s8(four[r]));
        sums[1] = kPart == 0 ? vmull_high_s8(weights[v], four[r]) : vmlal_high_s8(sums[1], weights[v], four[r]);
      }
    }
  }

  // Adds step kStep of a run. Then weights are replaced by those at `w`, and behind each second step activations by those at
  // `k` of each row.
  template <int kStep, int R, int Q>
  static LG_ALWAYS_INLINE void AddStep(const int8_t* const (&rows)[R], size_t k, const uint8_t* w, Operands<R, Q>& in,
                                       int16x8_t (&acc)[R][Q][2]) {
    if (R <= 2) __builtin_prefetch(w + 1024);
    AddPart<2 * kStep>(in, acc);
    AddPart<2 * kStep + 1>(in, acc);
    LG_UNROLL
    for (int v = 0; v < Q; ++v) in.both[v] = vld1q_u8(w + 16 * v);
    if (kStep % 2 == 0) return;
    LG_UNROLL
    for (int r = 0; r < R; ++r) in.q[r] = vld1q_s8(rows[r] + k);
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
    const uint8_t* w = group.w;
    LG_UNROLL
    for (int v = 0; v < Q; ++v) in.both[v] = vld1q_u8(w + 16 * v);
    size_t k = 0;
    for (size_t left = group.group; left != 0; left -= kRunSteps * kStepInputs) {
      int16x8_t acc[R][Q][2];
      AddStep<0>(rows, k, w + kStepBytes, in, acc);
      AddStep<1>(rows, k + 2 * kStepInputs, w + 2 * kStepBytes, in, acc);
      AddStep<2>(rows, k, w + 3 * kStepBytes, in, acc);
      // The last run loads its first operands again, for nobody, so that nothing past the group is read.
      const size_t ahead = left > kRunSteps * kStepInputs ? kRunSteps : 0;
      k += ahead * kStepInputs;
      w += ahead * kStepBytes;
      AddStep<3>(rows, k, w, in, acc);
      LG_UNROLL
      for (int r = 0; r < R; ++r) {
        LG_UNROLL
        for (int v = 0; v < Q; ++v) sums[r][v] = vpadalq_s16(sums[r][v], vpaddq_s16(acc[r][v][0], acc[r][v][1]));
      }
    }
  }
};

// R rows x a whole panel, Q quarters at a time.
template <int R, int Q>
void TileOf(const Q4Q8MatmulArgs& a, size_t row, size_t panel, float* c) {
  for (size_t first = 0; first < 4; first += Q) TileNeon<LongSums, R, Q>(a, row, panel, first, c + 4 * first);
}

constexpr TileFn kFewTiles[] = {TileOf<1, 4>, TileOf<2, 4>};
constexpr TileFn kManyTiles[] = {TileOf<1, 4>, TileOf<2, 2>, TileOf<3, 2>, TileOf<4, 2>};

}  // namespace

void q4q8_matmul_1x16_neon(const Q4Q8MatmulArgs& a) { RunTiles(a, kFewTiles); }

void q4q8_matmul_4x8_neon(const Q4Q8MatmulArgs& a) { RunTiles(a, kManyTiles); }

}  // namespace lg
