// SPDX-License-Identifier: Apache-2.0
// AVX-512 forms of kernels/math/scalar.h: one register is the 16 lanes. Included by *_avx512vnni kernels only.
#pragma once

#include <immintrin.h>

#include "kernels/math/scalar.h"

namespace lg {

static LG_ALWAYS_INLINE __m512 ExpAvx512(__m512 x) {
  x = _mm512_max_ps(_mm512_set1_ps(kExpLow), x);  // maxps returns its second operand on NaN
  x = _mm512_min_ps(_mm512_set1_ps(kExpHigh), x);
  const __m512 magic = _mm512_set1_ps(kRoundMagic);
  const __m512 shifted = _mm512_add_ps(_mm512_mul_ps(x, _mm512_set1_ps(kLog2e)), magic);
  const __m512 n = _mm512_sub_ps(shifted, magic);
  __m512 r = _mm512_fmadd_ps(n, _mm512_set1_ps(-kLn2High), x);
  r = _mm512_fmadd_ps(n, _mm512_set1_ps(-kLn2Low), r);
  __m512 p = _mm512_set1_ps(kExpTaylor[0]);
  for (int i = 1; i < 8; ++i) p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(kExpTaylor[i]));
  const __m512i bias = _mm512_set1_epi32(static_cast<int>(kRoundMagicBits - 127u));
  const __m512i power = _mm512_slli_epi32(_mm512_sub_epi32(_mm512_castps_si512(shifted), bias), 23);
  return _mm512_mul_ps(p, _mm512_castsi512_ps(power));
}

// The tree of SumLanesScalar. _mm512_reduce_add_ps is not used: its order is the compiler's affair.
static LG_ALWAYS_INLINE float SumLanesAvx512(__m512 lanes) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(lanes), _mm512_extractf32x8_ps(lanes, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static LG_ALWAYS_INLINE __mmask16 TailMask16(size_t count) {
  return count >= 16 ? static_cast<__mmask16>(0xffff) : static_cast<__mmask16>((1u << count) - 1u);
}

}  // namespace lg
