// SPDX-License-Identifier: Apache-2.0
// q4q8_matmul with vpmaddubsw. A panel is two registers of 8 outputs; weights are the unsigned operand (0..15), activations
// the signed one, broadcast four at a time.
//
// No saturation: one vpmaddubsw result is a sum of two products, at most 2 * 15 * 128 = 3840 in magnitude. Four steps add
// 8 of them in int16, at most 30720 < 32767; then one vpmaddwd by ones widens to int32. So widening costs a quarter of what
// it would cost step by step. Every group (32 to 256 inputs) is a whole number of four-step runs.
//
// 4x16 tile: 4 rows x 2 registers of int16 sums, 2 registers of unpacked weights, the nibble mask, one broadcast and one
// product: 13 of 16, some room for the compiler. The int32 sums and the floats wait in L1: they are touched once in four
// steps and once a group. Five and six rows measured slower.
#include "kernels/q4q8_matmul/avx2.h"

namespace lg {
namespace {

constexpr int kRunSteps = 4;  // steps whose sums int16 holds

struct PairSums {
  // Adds to int16 sums. The empty asm keeps the compiler from regrouping the chain of additions, which takes more registers
  // than there are: without it gcc 12 spills, and the tile runs at 0.6 of the speed.
  static LG_ALWAYS_INLINE void Accumulate(__m256i weights, __m256i q, __m256i* acc) {
    *acc = _mm256_add_epi16(*acc, _mm256_maddubs_epi16(weights, q));
    __asm__("" : "+x"(*acc));
  }

  // Adds one step of 8 inputs to the int16 sums of R rows: the low nibbles first, so that two weight registers live at a
  // time.
  template <int R>
  static LG_ALWAYS_INLINE void AddStep(const GroupAvx2& in, __m256i (&acc)[R][2]) {
    const __m256i low0 = LowNibblesAvx2(in.w), low1 = LowNibblesAvx2(in.w + 32);
    for (int r = 0; r < R; ++r) {
      const __m256i first = Broadcast4Avx2(in.q + r * in.q_stride);
      Accumulate(low0, first, &acc[r][0]);
      Accumulate(low1, first, &acc[r][1]);
    }
    const __m256i high0 = HighNibblesAvx2(in.w), high1 = HighNibblesAvx2(in.w + 32);
    for (int r = 0; r < R; ++r) {
      const __m256i second = Broadcast4Avx2(in.q + r * in.q_stride + 4);
      Accumulate(high0, second, &acc[r][0]);
      Accumulate(high1, second, &acc[r][1]);
    }
  }

  template <int R>
  static LG_ALWAYS_INLINE void Add(GroupAvx2 in, __m256i (&sums)[R][2]) {
    const __m256i ones = _mm256_set1_epi16(1);
    for (size_t run = 0; run < in.group / (kRunSteps * kStepInputs); ++run) {
      __m256i acc[R][2];
      for (int r = 0; r < R; ++r) acc[r][0] = acc[r][1] = _mm256_setzero_si256();
      for (int step = 0; step < kRunSteps; ++step, in.q += kStepInputs, in.w += kStepBytes) {
        AddStep<R>(in, acc);
      }
      for (int r = 0; r < R; ++r) {
        for (int h = 0; h < 2; ++h) sums[r][h] = _mm256_add_epi32(sums[r][h], _mm256_madd_epi16(acc[r][h], ones));
      }
    }
  }
};

template <int R>
void TileOf(const Q4Q8MatmulArgs& a, size_t row, size_t panel, float* c) {
  TileAvx2<PairSums, R>(a, row, panel, c);
}

constexpr TileFn kTiles[] = {TileOf<1>, TileOf<2>, TileOf<3>, TileOf<4>};

}  // namespace

void q4q8_matmul_4x16_avx2(const Q4Q8MatmulArgs& a) { RunTiles(a, kTiles); }

}  // namespace lg
