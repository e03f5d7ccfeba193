// SPDX-License-Identifier: Apache-2.0
// NEON forms of kernels/math/scalar.h: four registers are the 16 lanes. Included by *_neon_* kernels only.
#pragma once

#include <arm_neon.h>

#include "kernels/math/scalar.h"

namespace lg {

static LG_ALWAYS_INLINE float32x4_t ExpNeon(float32x4_t x) {
  x = vmaxq_f32(x, vdupq_n_f32(kExpLow));  // fmax and fmin pass NaN on
  x = vminq_f32(x, vdupq_n_f32(kExpHigh));
  const float32x4_t magic = vdupq_n_f32(kRoundMagic);
  const float32x4_t shifted = vaddq_f32(vmulq_f32(x, vdupq_n_f32(kLog2e)), magic);
  const float32x4_t n = vsubq_f32(shifted, magic);
  float32x4_t r = vfmaq_f32(x, n, vdupq_n_f32(-kLn2High));
  r = vfmaq_f32(r, n, vdupq_n_f32(-kLn2Low));
  float32x4_t p = vdupq_n_f32(kExpTaylor[0]);
  for (int i = 1; i < 8; ++i) p = vfmaq_f32(vdupq_n_f32(kExpTaylor[i]), p, r);
  const uint32x4_t power = vsubq_u32(vreinterpretq_u32_f32(shifted), vdupq_n_u32(kRoundMagicBits - 127u));
  return vmulq_f32(p, vreinterpretq_f32_u32(vshlq_n_u32(power, 23)));
}

// The tree of SumLanesScalar over four registers of four lanes.
static LG_ALWAYS_INLINE float SumLanesNeon(const float32x4_t (&lanes)[4]) {
  const float32x4_t four = vaddq_f32(vaddq_f32(lanes[0], lanes[2]), vaddq_f32(lanes[1], lanes[3]));
  const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

// x > max ? x : max, so that NaN in `x` is passed over as in the scalar kernels.
static LG_ALWAYS_INLINE float32x4_t LargerNeon(float32x4_t x, float32x4_t max) {
  return vbslq_f32(vcgtq_f32(x, max), x, max);
}

// All ones in the first `count` lanes; `count` may be zero, negative or beyond 4.
static LG_ALWAYS_INLINE uint32x4_t TailMask4(ptrdiff_t count) {
  const int32x4_t lane = {0, 1, 2, 3};
  return vcltq_s32(lane, vdupq_n_s32(count > 4 ? 4 : static_cast<int32_t>(count)));
}

}  // namespace lg
