// SPDX-License-Identifier: Apache-2.0
// quantize_q8, 64 values a step, or 32 where they are a group. Two passes over the row: range, then values, with narrowing
// as the clamp (params.h).
#include "kernels/math/avx512.h"
#include "kernels/quantize_q8/params.h"
#include "kernels/quantize_q8/quantize_q8.h"

namespace lg {
namespace {

Q8Params RowParams(const float* x, size_t k) {
  __m512 rmin = _mm512_setzero_ps(), rmax = _mm512_setzero_ps();
  __m512i magnitude = _mm512_setzero_si512();
  for (size_t i = 0; i < k; i += 16) {
    const __m512 values = _mm512_loadu_ps(x + i);
    rmin = _mm512_min_ps(values, rmin);
    rmax = _mm512_max_ps(values, rmax);
    const __m512i bits = _mm512_and_epi32(_mm512_castps_si512(values), _mm512_set1_epi32(0x7fffffff));
    magnitude = _mm512_max_epu32(magnitude, bits);
  }
  return MakeQ8Params(_mm512_reduce_min_ps(rmin), _mm512_reduce_max_ps(rmax), _mm512_reduce_max_epu32(magnitude));
}

// Values x[0..63], or x[0..31] and 32 zeros, in order.
template <int Vectors>
LG_ALWAYS_INLINE __m512i Quantize(const float* x, const Q8Params& p) {
  __m512i v[4];
  LG_UNROLL
  for (int i = 0; i < 4; ++i) {
    const __m512 values = i < Vectors ? _mm512_loadu_ps(x + 16 * i) : _mm512_setzero_ps();
    v[i] = _mm512_cvtps_epi32(_mm512_mul_ps(values, _mm512_set1_ps(p.scale)));  // rounds half to even
  }
  const __m512i zero_point = _mm512_set1_epi16(static_cast<int16_t>(p.zero_point));
  const __m512i first = _mm512_add_epi16(_mm512_packs_epi32(v[0], v[1]), zero_point);
  const __m512i second = _mm512_add_epi16(_mm512_packs_epi32(v[2], v[3]), zero_point);
  // Packs work inside 128-bit quarters: dword 4 * i + j holds values 4 * i .. 4 * i + 3 of v[j].
  const __m512i in_order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(in_order, _mm512_packs_epi16(first, second));
}

// The sum of the values. Ones are the unsigned operand of vpdpbusd, which cannot saturate with them.
int32_t QuantizeGroup(const float* x, size_t group, const Q8Params& p, int8_t* q) {
  const __m512i ones = _mm512_set1_epi8(1);
  if (group == 32) {
    const __m256i values = _mm512_castsi512_si256(Quantize<2>(x, p));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(q), values);
    const __m512i alone = _mm512_zextsi256_si512(values);
    return _mm512_reduce_add_epi32(_mm512_dpbusd_epi32(_mm512_setzero_si512(), ones, alone));
  }
  __m512i sums = _mm512_setzero_si512();
  for (size_t i = 0; i < group; i += 64) {
    const __m512i values = Quantize<4>(x + i, p);
    _mm512_storeu_si512(q + i, values);
    sums = _mm512_dpbusd_epi32(sums, ones, values);
  }
  return _mm512_reduce_add_epi32(sums);
}

}  // namespace

void quantize_q8_1x64_avx512vnni(const QuantizeQ8Args& a) {
  const Q8Params p = RowParams(a.x, a.k);
  *a.inv = p.inv;
  if (p.scale == 0.0f) return ClearRow(a);
  for (size_t g = 0; g < a.k / a.group; ++g) {
    const int32_t sum = QuantizeGroup(a.x + g * a.group, a.group, p, a.q + g * a.group);
    a.corr[g] = Q8Correction(p.zero_point, sum);
  }
}

}  // namespace lg
