// SPDX-License-Identifier: Apache-2.0
// q4q8_matmul for CPUs without dot products: smlal multiplies 8 bytes by 8 bytes into int16 sums. A register of weights is 4
// outputs of 4 inputs, so that its halves are 2 outputs each, and one load repeats 4 activations for all of them.
//
// No overflow: a product is at most 15 * 128 = 1920 in magnitude. A lane adds two products a step, 8 in a run of four steps,
// at most 15360; the pairwise addition that follows doubles that to 30720 < 32767; then sadalp widens to int32. Every
// group (32 to 256 inputs) is a whole number of runs.
//
// 4x8 tile, for many rows: 4 rows x 2 quarters x 2 halves = 16 registers of int16 sums, 8 of int32 sums, 4 of weights, the
// nibble mask and one of activations: 30 of 32. 1x16 tile, for one or two rows: whole steps in the order of the file,
// prefetched. The float accumulators wait in L1: they are touched once a group.
#include "kernels/q4q8_matmul/neon.h"

namespace lg {
namespace {

constexpr int kRunSteps = 4;  // steps whose sums int16 holds

struct LongSums {
  LG_ALWAYS_INLINE static int8x16_t Repeat4(const int8_t* q) {
    return vreinterpretq_s8_s32(vld1q_dup_s32(reinterpret_cast<const int32_t*>(q)));
  }

  // Multiplies 4 inputs of each row with `weights` and adds; the first products of a run are the sums.
  template <int R, int Q, bool kFirst>
  static LG_ALWAYS_INLINE void AddInputs(const int8_t* q, size_t q_stride, const int8x16_t (&weights)[Q],
                                         int16x8_t (&acc)[R][Q][2]) {
    LG_UNROLL
    for (int r = 0; r < R; ++r) {
      const int8x16_t four = Repeat4(q + r * q_stride);
      LG_UNROLL
      for (int v = 0; v < Q; ++v) {
        const int8x8_t half = vget_low_s8(weights[v]);
        acc[r][v][0] = kFirst ? vmull_s8(half, vget_low_s8(four)) : vmlal_s8(acc[r][v][0], half, vget_low_s8(four));
        acc[r][v][1] = kFirst ? vmull_high_s8(weights[v], four) : vmlal_high_s8(acc[r][v][1], weights[v], four);
      }
    }
  }

  template <int R, int Q, bool kFirst>
  static LG_ALWAYS_INLINE void AddStep(const GroupNeon& in, int16x8_t (&acc)[R][Q][2]) {
    int8x16_t low[Q], high[Q];
    LG_UNROLL
    for (int v = 0; v < Q; ++v) {
      const uint8x16_t both = vld1q_u8(in.w + 16 * v);
      low[v] = vreinterpretq_s8_u8(vandq_u8(both, vdupq_n_u8(15)));
      high[v] = vreinterpretq_s8_u8(vshrq_n_u8(both, 4));
    }
    AddInputs<R, Q, kFirst>(in.q, in.q_stride, low, acc);
    AddInputs<R, Q, false>(in.q + 4, in.q_stride, high, acc);
  }

  template <int R, int Q>
  static LG_ALWAYS_INLINE void Add(GroupNeon in, int32x4_t (&sums)[R][Q]) {
    const uint8_t* const end = in.w + in.group * kStepBytes / kStepInputs;
    while (in.w < end) {
      int16x8_t acc[R][Q][2];
      LG_UNROLL
      for (int step = 0; step < kRunSteps; ++step, in.q += kStepInputs, in.w += kStepBytes) {
        if (R <= 2) __builtin_prefetch(in.w + 1024);
        step == 0 ? AddStep<R, Q, true>(in, acc) : AddStep<R, Q, false>(in, acc);
      }
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
