// SPDX-License-Identifier: Apache-2.0
// softmax with masked tails: lanes past n hold exp = 0, which leaves their partial sums as they were.
#include "kernels/math/avx512.h"
#include "kernels/softmax/softmax.h"

namespace lg {

void softmax_1x16_avx512vnni(const SoftmaxArgs& a) {
  __m512 maxima = _mm512_set1_ps(a.x[0]);
  for (size_t i = 0; i < a.n; i += 16) {
    const __mmask16 mask = TailMask16(a.n - i);
    maxima = _mm512_mask_max_ps(maxima, mask, maxima, _mm512_maskz_loadu_ps(mask, a.x + i));
  }
  const __m512 max = _mm512_set1_ps(_mm512_reduce_max_ps(maxima));  // a maximum is the same in any order
  __m512 lanes = _mm512_setzero_ps();
  for (size_t i = 0; i < a.n; i += 16) {
    const __mmask16 mask = TailMask16(a.n - i);
    const __m512 e = _mm512_maskz_mov_ps(mask, ExpAvx512(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, a.x + i), max)));
    _mm512_mask_storeu_ps(a.y + i, mask, e);
    lanes = _mm512_add_ps(lanes, e);
  }
  const __m512 inverse = _mm512_set1_ps(1.0f / SumLanesAvx512(lanes));
  for (size_t i = 0; i < a.n; i += 16) {
    const __mmask16 mask = TailMask16(a.n - i);
    _mm512_mask_storeu_ps(a.y + i, mask, _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, a.y + i), inverse));
  }
}

}  // namespace lg
