// SPDX-License-Identifier: Apache-2.0
// quantize_q8, 32 values a step: four registers of int32 pack into one of bytes, with narrowing as the clamp (params.h).
// Every group is a multiple of 32.
#include "kernels/math/avx2.h"
#include "kernels/quantize_q8/params.h"
#include "kernels/quantize_q8/quantize_q8.h"

namespace lg {
namespace {

LG_ALWAYS_INLINE __m256i Rounded8(const float* x, const Q8Params& p) {
  return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), _mm256_set1_ps(p.scale)));  // rounds half to even
}

LG_ALWAYS_INLINE int32_t SumInt32(__m256i x) {
  const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}

// The sum of the values. vpmaddubsw, with ones as the unsigned operand, adds pairs: they fit int16.
int32_t QuantizeGroup(const float* x, size_t group, const Q8Params& p, int8_t* q) {
  const __m256i in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);  // packs work inside 128-bit halves
  const __m256i zero_point = _mm256_set1_epi16(static_cast<int16_t>(p.zero_point));
  __m256i sums = _mm256_setzero_si256();
  for (size_t i = 0; i < group; i += 32) {
    const __m256i first = _mm256_packs_epi32(Rounded8(x + i, p), Rounded8(x + i + 8, p));
    const __m256i second = _mm256_packs_epi32(Rounded8(x + i + 16, p), Rounded8(x + i + 24, p));
    const __m256i bytes = _mm256_packs_epi16(_mm256_add_epi16(first, zero_point), _mm256_add_epi16(second, zero_point));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(q + i), _mm256_permutevar8x32_epi32(bytes, in_order));
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  return SumInt32(sums);
}

LG_ALWAYS_INLINE float MinLane(__m256 x) {
  const __m128 four = _mm_min_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_min_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_min_ss(two, _mm_movehdup_ps(two)));
}

LG_ALWAYS_INLINE uint32_t MaxLane(__m256i x) {
  const __m128i four = _mm_max_epu32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  const __m128i two = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0x4e));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(_mm_max_epu32(two, _mm_shuffle_epi32(two, 0xb1))));
}

Q8Params RowParams(const float* x, size_t k) {
  __m256 rmin = _mm256_setzero_ps(), rmax = _mm256_setzero_ps();
  __m256i magnitude = _mm256_setzero_si256();
  for (size_t i = 0; i < k; i += 8) {
    const __m256 values = _mm256_loadu_ps(x + i);
    rmin = _mm256_min_ps(values, rmin);
    rmax = _mm256_max_ps(values, rmax);
    const __m256i bits = _mm256_and_si256(_mm256_castps_si256(values), _mm256_set1_epi32(0x7fffffff));
    magnitude = _mm256_max_epu32(magnitude, bits);
  }
  return MakeQ8Params(MinLane(rmin), MaxLaneAvx2(rmax), MaxLane(magnitude));
}

}  // namespace

void quantize_q8_1x32_avx2(const QuantizeQ8Args& a) {
  const Q8Params p = RowParams(a.x, a.k);
  *a.inv = p.inv;
  if (p.scale == 0.0f) return ClearRow(a);
  for (size_t g = 0; g < a.k / a.group; ++g) {
    const int32_t sum = QuantizeGroup(a.x + g * a.group, a.group, p, a.q + g * a.group);
    a.corr[g] = Q8Correction(p.zero_point, sum);
  }
}

}  // namespace lg
