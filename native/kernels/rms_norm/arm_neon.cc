// SPDX-License-Identifier: Apache-2.0
// rms_norm with the 16 lanes in four registers: four fma chains, n / 16 long.
#include "kernels/math/neon.h"
#include "kernels/rms_norm/rms_norm.h"

namespace lg {

namespace {

LG_ALWAYS_INLINE float32x4_t Added(const RmsNormArgs& a, size_t i) {
  const float32x4_t x = vld1q_f32(a.x + i);
  if (a.add == nullptr) return x;
  const float32x4_t sum = vaddq_f32(x, vld1q_f32(a.add + i));
  vst1q_f32(a.x + i, sum);
  return sum;
}

}  // namespace

void rms_norm_1x16_neon(const RmsNormArgs& a) {
  float32x4_t lanes[4];
  for (int v = 0; v < 4; ++v) lanes[v] = vdupq_n_f32(0.0f);
  for (size_t i = 0; i < a.n; i += 16) {
    for (int v = 0; v < 4; ++v) {
      const float32x4_t x = Added(a, i + 4 * v);
      lanes[v] = vfmaq_f32(lanes[v], x, x);
    }
  }
  const float mean = SumLanesNeon(lanes) / static_cast<float>(a.n);
  const float32x4_t r = vdupq_n_f32(1.0f / sqrtf(mean + a.eps));
  for (size_t i = 0; i < a.n; i += 4) {
    vst1q_f32(a.y + i, vmulq_f32(vmulq_f32(vld1q_f32(a.x + i), r), vld1q_f32(a.weight + i)));
  }
}

}  // namespace lg
