// SPDX-License-Identifier: Apache-2.0
// silu_mul, one panel a step. The division is IEEE, as the contract asks; a reciprocal estimate would differ by CPU.
#include "kernels/math/avx512.h"
#include "kernels/silu_mul/silu_mul.h"

namespace lg {

void silu_mul_1x16_avx512vnni(const SiluMulArgs& a) {
  for (size_t row = 0; row < a.rows; ++row) {
    const float* panel = a.gate_up + row * a.gate_up_stride;
    float* y = a.y + row * a.y_stride;
    for (size_t i = 0; i < a.n; i += 16, panel += 32) {
      const __m512 gate = _mm512_loadu_ps(panel);
      // Negation by the sign bit, as the scalar kernel does: 0 - gate would lose the sign of zero.
      const __m512 negated = _mm512_xor_ps(gate, _mm512_set1_ps(-0.0f));
      const __m512 denominator = _mm512_add_ps(_mm512_set1_ps(1.0f), ExpAvx512(negated));
      _mm512_storeu_ps(y + i, _mm512_mul_ps(_mm512_div_ps(gate, denominator), _mm512_loadu_ps(panel + 16)));
    }
  }
}

}  // namespace lg
