// SPDX-License-Identifier: Apache-2.0
// rope, 8 pairs a step: the partner lane comes from one in-lane shuffle, the sign from the table.
#include <immintrin.h>

#include "kernels/rope/rope.h"

namespace lg {

void rope_1x16_avx512vnni(const RopeArgs& a) {
  for (size_t h = 0; h < a.heads; ++h) {
    float* x = a.x + h * a.head_dim;
    for (size_t i = 0; i < a.head_dim; i += 16) {
      const __m512 self = _mm512_loadu_ps(x + i);
      const __m512 partner = _mm512_permute_ps(self, 0xb1);
      const __m512 turned = _mm512_mul_ps(partner, _mm512_loadu_ps(a.sin + i));
      _mm512_storeu_ps(x + i, _mm512_fmadd_ps(self, _mm512_loadu_ps(a.cos + i), turned));
    }
  }
}

}  // namespace lg
