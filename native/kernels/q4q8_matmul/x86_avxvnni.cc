// SPDX-License-Identifier: Apache-2.0
// q4q8_matmul with the 256-bit vpdpbusd of AVX-VNNI. A panel is two registers of 8 outputs; weights are the unsigned operand
// (0..15), activations the signed one, broadcast four at a time. vpdpbusd does not saturate: four products of at most
// 15 * 128 fit int32.
//
// 6x16 tile: 6 rows x 2 registers of sums, 2 of unpacked weights, the nibble mask and one broadcast: 16 of 16. Two vpdpbusd
// a cycle with a latency of 5 need 10 independent sums: 12 are enough, 8 of four rows are not. A step of 8 inputs is 24
// vpdpbusd, 12 broadcasts, which are loads, and 6 operations to unpack. The floats wait in L1: they are touched once a group.
#include "kernels/q4q8_matmul/avx2.h"

namespace lg {
namespace {

struct DotSums {
  // The empty asm keeps the order of the source, which needs no more registers than there are.
  static LG_ALWAYS_INLINE void Accumulate(__m256i weights, __m256i q, __m256i* sum) {
    *sum = _mm256_dpbusd_avx_epi32(*sum, weights, q);
    __asm__("" : "+x"(*sum));
  }

  template <int R>
  static LG_ALWAYS_INLINE void AddInputs(const int8_t* q, size_t q_stride, __m256i w0, __m256i w1, __m256i (&sums)[R][2]) {
    LG_UNROLL
    for (int r = 0; r < R; ++r) {
      const __m256i four = Broadcast4Avx2(q + r * q_stride);
      Accumulate(w0, four, &sums[r][0]);
      Accumulate(w1, four, &sums[r][1]);
    }
  }

  template <int R>
  static LG_ALWAYS_INLINE void Add(GroupAvx2 in, __m256i (&sums)[R][2]) {
    // Few rows have registers for sums of the high nibbles apart, which halves the chains.
    constexpr bool kApart = R <= 3;
    __m256i apart[R][2];
    for (int r = 0; r < R; ++r) apart[r][0] = apart[r][1] = _mm256_setzero_si256();
    __m256i(&high)[R][2] = kApart ? apart : sums;
    for (size_t k = 0; k < in.group; k += kStepInputs, in.q += kStepInputs, in.w += kStepBytes) {
      AddInputs<R>(in.q, in.q_stride, LowNibblesAvx2(in.w), LowNibblesAvx2(in.w + 32), sums);
      AddInputs<R>(in.q + 4, in.q_stride, HighNibblesAvx2(in.w), HighNibblesAvx2(in.w + 32), high);
    }
    if (!kApart) return;
    for (int r = 0; r < R; ++r) {
      for (int h = 0; h < 2; ++h) sums[r][h] = _mm256_add_epi32(sums[r][h], apart[r][h]);
    }
  }
};

template <int R>
void TileOf(const Q4Q8MatmulArgs& a, size_t row, size_t panel, float* c) {
  TileAvx2<DotSums, R>(a, row, panel, c);
}

constexpr TileFn kTiles[] = {TileOf<1>, TileOf<2>, TileOf<3>, TileOf<4>, TileOf<5>, TileOf<6>};

}  // namespace

void q4q8_matmul_6x16_avxvnni(const Q4Q8MatmulArgs& a) { RunTiles(a, kTiles); }

}  // namespace lg
