// SPDX-License-Identifier: Apache-2.0
// softmax, 16 values a step; values past the last whole step go one by one, with the same operations.
#include "kernels/math/neon.h"
#include "kernels/softmax/softmax.h"

namespace lg {

void softmax_1x16_neon(const SoftmaxArgs& a) {
  const size_t whole = a.n / kLanes * kLanes;
  float32x4_t maxima = vdupq_n_f32(a.x[0]);
  for (size_t i = 0; i < whole; i += 4) maxima = LargerNeon(vld1q_f32(a.x + i), maxima);
  float max = vmaxvq_f32(maxima);  // a maximum is the same in any order
  for (size_t i = whole; i < a.n; ++i) max = a.x[i] > max ? a.x[i] : max;
  float32x4_t sums[4];
  for (int v = 0; v < 4; ++v) sums[v] = vdupq_n_f32(0.0f);
  for (size_t i = 0; i < whole; i += 16) {
    for (int v = 0; v < 4; ++v) {
      const float32x4_t e = ExpNeon(vsubq_f32(vld1q_f32(a.x + i + 4 * v), vdupq_n_f32(max)));
      vst1q_f32(a.y + i + 4 * v, e);
      sums[v] = vaddq_f32(sums[v], e);
    }
  }
  float lanes[kLanes];
  for (int v = 0; v < 4; ++v) vst1q_f32(lanes + 4 * v, sums[v]);
  for (size_t i = whole; i < a.n; ++i) {
    a.y[i] = ExpScalar(a.x[i] - max);
    lanes[i % kLanes] += a.y[i];
  }
  const float inverse = 1.0f / SumLanesScalar(lanes);
  for (size_t i = 0; i < whole; i += 4) vst1q_f32(a.y + i, vmulq_n_f32(vld1q_f32(a.y + i), inverse));
  for (size_t i = whole; i < a.n; ++i) a.y[i] *= inverse;
}

}  // namespace lg
