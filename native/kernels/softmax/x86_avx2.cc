// SPDX-License-Identifier: Apache-2.0
// softmax with masked tails: lanes past n hold exp = 0, which leaves their partial sums as they were.
#include "kernels/math/avx2.h"
#include "kernels/softmax/softmax.h"

namespace lg {
namespace {

// The mask of the register that starts at `i`; masked loads and stores do not touch memory past n.
LG_ALWAYS_INLINE __m256i MaskAt(const SoftmaxArgs& a, size_t i) {
  return TailMask8(static_cast<ptrdiff_t>(a.n) - static_cast<ptrdiff_t>(i));
}

LG_ALWAYS_INLINE __m256 ExpAt(const SoftmaxArgs& a, size_t i, __m256 max) {
  const __m256i mask = MaskAt(a, i);
  const __m256 e = _mm256_and_ps(ExpAvx2(_mm256_sub_ps(_mm256_maskload_ps(a.x + i, mask), max)), _mm256_castsi256_ps(mask));
  _mm256_maskstore_ps(a.y + i, mask, e);
  return e;
}

}  // namespace

void softmax_1x16_avx2(const SoftmaxArgs& a) {
  const __m256 start = _mm256_set1_ps(a.x[0]);
  __m256 maxima = start;
  for (size_t i = 0; i < a.n; i += 8) {
    const __m256i mask = MaskAt(a, i);
    const __m256 x = _mm256_blendv_ps(start, _mm256_maskload_ps(a.x + i, mask), _mm256_castsi256_ps(mask));
    maxima = _mm256_max_ps(x, maxima);  // NaN in x is passed over, as in the scalar kernel
  }
  const __m256 max = _mm256_set1_ps(MaxLaneAvx2(maxima));
  __m256 first = _mm256_setzero_ps(), second = _mm256_setzero_ps();
  for (size_t i = 0; i < a.n; i += 16) {
    first = _mm256_add_ps(first, ExpAt(a, i, max));
    if (i + 8 < a.n) second = _mm256_add_ps(second, ExpAt(a, i + 8, max));
  }
  const __m256 inverse = _mm256_set1_ps(1.0f / SumLanesAvx2(first, second));
  for (size_t i = 0; i < a.n; i += 8) {
    const __m256i mask = MaskAt(a, i);
    _mm256_maskstore_ps(a.y + i, mask, _mm256_mul_ps(_mm256_maskload_ps(a.y + i, mask), inverse));
  }
}

}  // namespace lg
