// SPDX-License-Identifier: Apache-2.0
// The definition of rope.
#include <cmath>

#include "kernels/rope/rope.h"

namespace lg {

void rope_1x2_scalar(const RopeArgs& a) {
  for (size_t h = 0; h < a.heads; ++h) {
    float* x = a.x + h * a.head_dim;
    for (size_t i = 0; i < a.head_dim; i += 2) {
      const float even = x[i], odd = x[i + 1];
      x[i] = fmaf(even, a.cos[i], odd * a.sin[i]);  // sin[i] is -sin
      x[i + 1] = fmaf(odd, a.cos[i + 1], even * a.sin[i + 1]);
    }
  }
}

}  // namespace lg
