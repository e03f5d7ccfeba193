// SPDX-License-Identifier: Apache-2.0
// The definition of rms_norm.
#include <cmath>

#include "kernels/math/scalar.h"
#include "kernels/rms_norm/rms_norm.h"

namespace lg {

void rms_norm_1x16_scalar(const RmsNormArgs& a) {
  if (a.add != nullptr) {
    for (size_t i = 0; i < a.n; ++i) a.x[i] = a.x[i] + a.add[i];
  }
  float lanes[kLanes] = {};
  for (size_t i = 0; i < a.n; ++i) lanes[i % kLanes] = fmaf(a.x[i], a.x[i], lanes[i % kLanes]);
  const float mean = SumLanesScalar(lanes) / static_cast<float>(a.n);
  const float r = 1.0f / sqrtf(mean + a.eps);
  for (size_t i = 0; i < a.n; ++i) a.y[i] = (a.x[i] * r) * a.weight[i];
}

}  // namespace lg
