// SPDX-License-Identifier: Apache-2.0
// rms_norm with the 16 lanes in one register. Bound by the latency of one fma chain, n / 16 long; it is never hot.
#include "kernels/math/avx512.h"
#include "kernels/rms_norm/rms_norm.h"

namespace lg {

namespace {

LG_ALWAYS_INLINE __m512 Added(const RmsNormArgs& a, size_t i) {
  const __m512 x = _mm512_loadu_ps(a.x + i);
  if (a.add == nullptr) return x;
  const __m512 sum = _mm512_add_ps(x, _mm512_loadu_ps(a.add + i));
  _mm512_storeu_ps(a.x + i, sum);
  return sum;
}

}  // namespace

void rms_norm_1x16_avx512vnni(const RmsNormArgs& a) {
  __m512 lanes = _mm512_setzero_ps();
  for (size_t i = 0; i < a.n; i += 16) {
    const __m512 x = Added(a, i);
    lanes = _mm512_fmadd_ps(x, x, lanes);
  }
  const float mean = SumLanesAvx512(lanes) / static_cast<float>(a.n);
  const __m512 r = _mm512_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(mean + a.eps))));
  for (size_t i = 0; i < a.n; i += 16) {
    const __m512 scaled = _mm512_mul_ps(_mm512_loadu_ps(a.x + i), r);
    _mm512_storeu_ps(a.y + i, _mm512_mul_ps(scaled, _mm512_loadu_ps(a.weight + i)));
  }
}

}  // namespace lg
