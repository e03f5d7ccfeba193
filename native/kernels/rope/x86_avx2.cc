// SPDX-License-Identifier: Apache-2.0
// rope, 4 pairs a register: the partner lane comes from one in-lane shuffle, the sign from the table.
#include <immintrin.h>

#include "kernels/rope/rope.h"

namespace lg {

void rope_1x8_avx2(const RopeArgs& a) {
  for (size_t h = 0; h < a.heads; ++h) {
    float* x = a.x + h * a.head_dim;
    for (size_t i = 0; i < a.head_dim; i += 8) {
      const __m256 self = _mm256_loadu_ps(x + i);
      const __m256 partner = _mm256_permute_ps(self, 0xb1);
      const __m256 turned = _mm256_mul_ps(partner, _mm256_loadu_ps(a.sin + i));
      _mm256_storeu_ps(x + i, _mm256_fmadd_ps(self, _mm256_loadu_ps(a.cos + i), turned));
    }
  }
}

}  // namespace lg
