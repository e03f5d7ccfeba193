// SPDX-License-Identifier: Apache-2.0
// rms_norm with the 16 lanes in two registers. Bound by the latency of the two fma chains, n / 16 long; it is never hot.
#include "kernels/math/avx2.h"
#include "kernels/rms_norm/rms_norm.h"

namespace lg {

namespace {

LG_ALWAYS_INLINE __m256 Added(const RmsNormArgs& a, size_t i) {
  const __m256 x = _mm256_loadu_ps(a.x + i);
  if (a.add == nullptr) return x;
  const __m256 sum = _mm256_add_ps(x, _mm256_loadu_ps(a.add + i));
  _mm256_storeu_ps(a.x + i, sum);
  return sum;
}

}  // namespace

void rms_norm_1x16_avx2(const RmsNormArgs& a) {
  __m256 first = _mm256_setzero_ps(), second = _mm256_setzero_ps();
  for (size_t i = 0; i < a.n; i += 16) {
    const __m256 x = Added(a, i), y = Added(a, i + 8);
    first = _mm256_fmadd_ps(x, x, first);
    second = _mm256_fmadd_ps(y, y, second);
  }
  const float mean = SumLanesAvx2(first, second) / static_cast<float>(a.n);
  const __m256 r = _mm256_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(mean + a.eps))));
  for (size_t i = 0; i < a.n; i += 8) {
    const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(a.x + i), r);
    _mm256_storeu_ps(a.y + i, _mm256_mul_ps(scaled, _mm256_loadu_ps(a.weight + i)));
  }
}

}  // namespace lg
