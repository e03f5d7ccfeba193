// SPDX-License-Identifier: Apache-2.0
// Scale and zero point of one row, from its range: the scalar part of quantize_q8, shared by all its kernels.
//
// Vector kernels take the saturation of their last narrowing for the clamp. Its bounds are integers, so that rounding may
// come first, and adding the zero point to both sides turns them into -128 and 127. |x * S| is at most 256: int32 narrows to
// int16 without loss, and the sum with the zero point fits.
#pragma once

#include <string.h>

#include <cstdint>

#include "base/arch.h"
#include "base/f16.h"
#include "kernels/math/scalar.h"
#include "kernels/quantize_q8/quantize_q8.h"

namespace lg {

struct Q8Params {
  float scale;  // S: q = rne(x * S) + zero_point
  float inv;    // 1 / S; NaN for a poisoned row
  float low, high;  // clamp of x * S: -128 - zero_point, 127 - zero_point
  int32_t zero_point;
};

constexpr uint32_t kInfinityBits = 0x7f800000u;
constexpr float kSmallestRange = 1e-36f;  // 255 / range stays finite above it

// rmin <= 0 <= rmax. `magnitude_bits` is the largest bit pattern of |x|, which shows NaN and infinity in any order.
static LG_ALWAYS_INLINE Q8Params MakeQ8Params(float rmin, float rmax, uint32_t magnitude_bits) {
  const float range = rmax - rmin;
  if (magnitude_bits >= kInfinityBits || BitsFromFloat(range) >= kInfinityBits) {
    return {0.0f, FloatFromBits(0x7fc00000u), 0.0f, 0.0f, 0};
  }
  const float scale = range < kSmallestRange ? 1.0f : 255.0f / range;
  const float dmin = rmin * scale, dmax = rmax * scale;
  float zp = (-128.0f + dmin) + (127.0f + dmax) > 0.0f ? -128.0f - dmin : 127.0f - dmax;
  zp = zp < -128.0f ? -128.0f : zp > 127.0f ? 127.0f : zp;
  const float rounded = (zp + kRoundMagic) - kRoundMagic;
  return {scale, 1.0f / scale, -128.0f - rounded, 127.0f - rounded, static_cast<int32_t>(rounded)};
}

// The pair of Q8Rows::corr.
static LG_ALWAYS_INLINE int32_t Q8Correction(int32_t zero_point, int32_t sum) {
  return static_cast<int32_t>((static_cast<uint32_t>(sum) << 16) | (static_cast<uint32_t>(-zero_point) & 0xffffu));
}

// A poisoned row (scale 0).
static LG_ALWAYS_INLINE void ClearRow(const QuantizeQ8Args& a) {
  memset(a.q, 0, a.k);
  memset(a.corr, 0, a.k / a.group * sizeof *a.corr);
}

}  // namespace lg
