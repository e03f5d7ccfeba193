// SPDX-License-Identifier: Apache-2.0
// What the 256-bit kernels of this family share: loads, a tile but for its integer sums, and the walk over panels and rows.
#pragma once

#include <immintrin.h>
#include <string.h>

#include "kernels/q4q8_matmul/tiles.h"

namespace lg {

static LG_ALWAYS_INLINE __m256i Broadcast4Avx2(const int8_t* q) {
  int32_t four;
  memcpy(&four, q, sizeof four);
  return _mm256_set1_epi32(four);
}

// The nibbles of 32 bytes of weights: low ones stand for the first 4 inputs of a step, high ones for the next 4.
static LG_ALWAYS_INLINE __m256i LowNibblesAvx2(const uint8_t* w) {
  return _mm256_and_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(w)), _mm256_set1_epi8(15));
}
static LG_ALWAYS_INLINE __m256i HighNibblesAvx2(const uint8_t* w) {
  const __m256i both = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w));
  return _mm256_and_si256(_mm256_srli_epi16(both, 4), _mm256_set1_epi8(15));
}

// Scales of eight outputs; `cell` counts [panel][group][16].
static LG_ALWAYS_INLINE __m256 LoadScalesAvx2(const PanelMatrix& b, size_t cell) {
  if (b.group >= 128) return _mm256_loadu_ps(reinterpret_cast<const float*>(b.scales) + cell);
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b.scales + 2 * cell)));
}

// Per output the pair (sum of w, -8) in int16, the partner of Q8Rows::corr in vpmaddwd.
static LG_ALWAYS_INLINE __m256i LoadSumPairsAvx2(const PanelMatrix& b, size_t cell) {
  const __m256i sums = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b.sums + cell)));
  return _mm256_or_si256(sums, _mm256_set1_epi32(static_cast<int>(0xfff80000u)));
}

// One group of R rows (at `q`, stride `q_stride`) and a panel (at `w`).
struct GroupAvx2 {
  const int8_t* q;
  size_t q_stride;
  const uint8_t* w;
  size_t group;
};

// R rows x one panel over all of k. Sums::Add<R> adds the products of a group.
template <typename Sums, int R>
static LG_ALWAYS_INLINE void TileAvx2(const Q4Q8MatmulArgs& a, size_t row, size_t panel, float* c) {
  const PanelMatrix& b = a.b;
  const size_t groups = b.k / b.group;
  const int8_t* q = a.a.q + row * a.a.q_stride;
  const uint8_t* w = b.q4 + panel * PanelBytes(b.k);
  __m256 totals[R][2];
  for (int r = 0; r < R; ++r) totals[r][0] = totals[r][1] = _mm256_setzero_ps();
  for (size_t g = 0; g < groups; ++g, q += b.group, w += b.group * kStepBytes / kStepInputs) {
    const size_t cell = (panel * groups + g) * kPanelRows;
    __m256i sums[R][2];
    for (int r = 0; r < R; ++r) {
      const __m256i corr = _mm256_set1_epi32(a.a.corr[(row + r) * a.a.corr_stride + g]);
      for (int h = 0; h < 2; ++h) sums[r][h] = _mm256_madd_epi16(LoadSumPairsAvx2(b, cell + 8 * h), corr);
    }
    if (R <= 2) PrefetchNextPage(w, b.group * kStepBytes / kStepInputs);
    Sums::template Add<R>({q, a.a.q_stride, w, b.group}, sums);
    for (int h = 0; h < 2; ++h) {
      const __m256 scales = LoadScalesAvx2(b, cell + 8 * h);
      for (int r = 0; r < R; ++r) totals[r][h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[r][h]), scales, totals[r][h]);
    }
  }
  for (int r = 0; r < R; ++r) {
    const __m256 inv = _mm256_set1_ps(a.a.inv[row + r]);
    for (int h = 0; h < 2; ++h) _mm256_storeu_ps(c + r * a.c_stride + 8 * h, _mm256_mul_ps(totals[r][h], inv));
  }
}

}  // namespace lg
