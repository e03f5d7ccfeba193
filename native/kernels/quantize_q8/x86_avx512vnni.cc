// SPDX-License-Identifier: Apache-2.0
// quantize_q8, 16 values a step. Two passes over the row: range, then values with the group sums from the same registers.
#include "kernels/math/avx512.h"
#include "kernels/quantize_q8/params.h"
#include "kernels/quantize_q8/quantize_q8.h"

namespace lg {
namespace {

// |q| <= 128 and 256 of them fit 16 bits, but the sums are kept in 32-bit lanes; integer order is free.
LG_ALWAYS_INLINE int32_t QuantizeGroup(const float* x, size_t group, const Q8Params& p, __mmask16 keep, int8_t* q) {
  const __m512 scale = _mm512_set1_ps(p.scale), low = _mm512_set1_ps(p.low), high = _mm512_set1_ps(p.high);
  const __m512i zero_point = _mm512_set1_epi32(p.zero_point);
  __m512i sums = _mm512_setzero_si512();
  for (size_t i = 0; i < group; i += 16) {
    __m512 scaled = _mm512_maskz_mul_ps(keep, _mm512_loadu_ps(x + i), scale);
    scaled = _mm512_min_ps(high, _mm512_max_ps(low, scaled));
    const __m512i values = _mm512_add_epi32(_mm512_cvtps_epi32(scaled), zero_point);  // rounds half to even
    sums = _mm512_add_epi32(sums, values);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(q + i), _mm512_cvtepi32_epi8(values));
  }
  return _mm512_reduce_add_epi32(sums);
}

}  // namespace

void quantize_q8_1x16_avx512vnni(const QuantizeQ8Args& a) {
  __m512 rmin = _mm512_setzero_ps(), rmax = _mm512_setzero_ps();
  __m512i magnitude = _mm512_setzero_si512();
  for (size_t i = 0; i < a.k; i += 16) {
    const __m512 x = _mm512_loadu_ps(a.x + i);
    rmin = _mm512_min_ps(x, rmin);
    rmax = _mm512_max_ps(x, rmax);
    const __m512i bits = _mm512_and_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
    magnitude = _mm512_max_epu32(magnitude, bits);
  }
  const Q8Params p = MakeQ8Params(_mm512_reduce_min_ps(rmin), _mm512_reduce_max_ps(rmax), _mm512_reduce_max_epu32(magnitude));
  *a.inv = p.inv;
  const __mmask16 keep = p.scale == 0.0f ? 0 : 0xffff;  // a poisoned row becomes zeros
  for (size_t g = 0; g < a.k / a.group; ++g) {
    const int32_t sum = QuantizeGroup(a.x + g * a.group, a.group, p, keep, a.q + g * a.group);
    a.corr[g] = Q8Correction(p.zero_point, sum);
  }
}

}  // namespace lg
