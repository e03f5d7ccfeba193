// SPDX-License-Identifier: Apache-2.0
// silu_mul, half a panel a register. The division is IEEE, as the contract asks; a reciprocal estimate would differ by CPU.
#include "kernels/math/avx2.h"
#include "kernels/silu_mul/silu_mul.h"

namespace lg {

void silu_mul_1x16_avx2(const SiluMulArgs& a) {
  for (size_t row = 0; row < a.rows; ++row) {
    const float* panel = a.gate_up + row * a.gate_up_stride;
    float* y = a.y + row * a.y_stride;
    for (size_t i = 0; i < a.n; i += 16, panel += 32) {
      for (size_t half = 0; half < 16; half += 8) {
        const __m256 gate = _mm256_loadu_ps(panel + half);
        // Negation by the sign bit, as the scalar kernel does: 0 - gate would lose the sign of zero.
        const __m256 negated = _mm256_xor_ps(gate, _mm256_set1_ps(-0.0f));
        const __m256 denominator = _mm256_add_ps(_mm256_set1_ps(1.0f), ExpAvx2(negated));
        const __m256 up = _mm256_loadu_ps(panel + 16 + half);
        _mm256_storeu_ps(y + i + half, _mm256_mul_ps(_mm256_div_ps(gate, denominator), up));
      }
    }
  }
}

}  // namespace lg
