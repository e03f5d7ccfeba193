// SPDX-License-Identifier: Apache-2.0
// silu_mul, a quarter of a panel a register. The division is IEEE, as the contract asks; an estimate would differ. Results are
// stored together: behind a store, compilers would not dare to begin with the next loads, and four chains hide latency.
#include "kernels/math/neon.h"
#include "kernels/silu_mul/silu_mul.h"

namespace lg {

void silu_mul_1x16_neon(const SiluMulArgs& a) {
  for (size_t row = 0; row < a.rows; ++row) {
    const float* panel = a.gate_up + row * a.gate_up_stride;
    float* y = a.y + row * a.y_stride;
    for (size_t i = 0; i < a.n; i += 16, panel += 32) {
      float32x4_t products[4];
      LG_UNROLL
      for (int v = 0; v < 4; ++v) {
        const float32x4_t gate = vld1q_f32(panel + 4 * v);
        const float32x4_t denominator = vaddq_f32(vdupq_n_f32(1.0f), ExpNeon(vnegq_f32(gate)));
        products[v] = vmulq_f32(vdivq_f32(gate, denominator), vld1q_f32(panel + 16 + 4 * v));
      }
      LG_UNROLL
      for (int v = 0; v < 4; ++v) vst1q_f32(y + i + 4 * v, products[v]);
    }
  }
}

}  // namespace lg
