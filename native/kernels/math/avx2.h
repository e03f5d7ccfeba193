// SPDX-License-Identifier: Apache-2.0
// AVX2 forms of kernels/math/scalar.h: two registers are the 16 lanes. Included by *_avx2 kernels only.
#pragma once

#include <immintrin.h>

#include "kernels/math/scalar.h"

namespace lg {

static LG_ALWAYS_INLINE __m256 ExpAvx2(__m256 x) {
  x = _mm256_max_ps(_mm256_set1_ps(kExpLow), x);  // maxps returns its second operand on NaN
  x = _mm256_min_ps(_mm256_set1_ps(kExpHigh), x);
  const __m256 magic = _mm256_set1_ps(kRoundMagic);
  const __m256 shifted = _mm256_add_ps(_mm256_mul_ps(x, _mm256_set1_ps(kLog2e)), magic);
  const __m256 n = _mm256_sub_ps(shifted, magic);
  __m256 r = _mm256_fmadd_ps(n, _mm256_set1_ps(-kLn2High), x);
  r = _mm256_fmadd_ps(n, _mm256_set1_ps(-kLn2Low), r);
  __m256 p = _mm256_set1_ps(kExpTaylor[0]);
  for (int i = 1; i < 8; ++i) p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(kExpTaylor[i]));
  const __m256i bias = _mm256_set1_epi32(static_cast<int>(kRoundMagicBits - 127u));
  const __m256i power = _mm256_slli_epi32(_mm256_sub_epi32(_mm256_castps_si256(shifted), bias), 23);
  return _mm256_mul_ps(p, _mm256_castsi256_ps(power));
}

// The tree of SumLanesScalar over lanes 0..7 and 8..15.
static LG_ALWAYS_INLINE float SumLanesAvx2(__m256 first, __m256 second) {
  const __m256 eight = _mm256_add_ps(first, second);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// The largest lane; a maximum is the same in any order.
static LG_ALWAYS_INLINE float MaxLaneAvx2(__m256 x) {
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

// All ones in the first `count` lanes; `count` may be zero, negative or beyond 8.
static LG_ALWAYS_INLINE __m256i TailMask8(ptrdiff_t count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count > 8 ? 8 : static_cast<int>(count)), lane);
}

}  // namespace lg
