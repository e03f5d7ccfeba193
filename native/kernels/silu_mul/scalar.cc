// SPDX-License-Identifier: Apache-2.0
// The definition of silu_mul.
#include "kernels/math/scalar.h"
#include "kernels/silu_mul/silu_mul.h"

namespace lg {

void silu_mul_1x16_scalar(const SiluMulArgs& a) {
  for (size_t row = 0; row < a.rows; ++row) {
    for (size_t i = 0; i < a.n; ++i) {
      // Output i is lane i % 16 of panel i / 16; a panel of gates and its panel of ups are neighbours.
      const float* panel = a.gate_up + row * a.gate_up_stride + i / 16 * 32;
      const float gate = panel[i % 16], up = panel[16 + i % 16];
      a.y[row * a.y_stride + i] = (gate / (1.0f + ExpScalar(-gate))) * up;
    }
  }
}

}  // namespace lg
