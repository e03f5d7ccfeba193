// SPDX-License-Identifier: Apache-2.0
// The definition of softmax.
#include "kernels/math/scalar.h"
#include "kernels/softmax/softmax.h"

namespace lg {

void softmax_1x16_scalar(const SoftmaxArgs& a) {
  float max = a.x[0];
  for (size_t i = 1; i < a.n; ++i) max = a.x[i] > max ? a.x[i] : max;
  float lanes[kLanes] = {};
  for (size_t i = 0; i < a.n; ++i) {
    a.y[i] = ExpScalar(a.x[i] - max);
    lanes[i % kLanes] += a.y[i];
  }
  const float inverse = 1.0f / SumLanesScalar(lanes);
  for (size_t i = 0; i < a.n; ++i) a.y[i] *= inverse;
}

}  // namespace lg
