// SPDX-License-Identifier: Apache-2.0
// The reference forms of the shared pieces of docs/numerics.md: exp, the 16-lane tree. Vector forms stand beside this file.
#pragma once

#include <cmath>
#include <cstddef>

#include "base/arch.h"
#include "base/f16.h"

namespace lg {

constexpr size_t kLanes = 16;

// exp: clamp, range reduction by ln 2 in two parts, Taylor to degree 7 (relative error below 6e-9 on |r| <= ln2/2).
constexpr float kExpLow = -87.0f, kExpHigh = 88.0f;  // 2^n stays a normal number: n in -126..127
constexpr float kLog2e = 1.44269504f;
constexpr float kRoundMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, half to even
constexpr uint32_t kRoundMagicBits = 0x4b400000u;
constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;  // high part has 9 bits: n * high is exact
constexpr float kExpTaylor[8] = {1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};

static LG_ALWAYS_INLINE float ExpScalar(float x) {
  x = x < kExpLow ? kExpLow : x;  // written so that NaN passes
  x = x > kExpHigh ? kExpHigh : x;
  const float shifted = x * kLog2e + kRoundMagic;
  const float n = shifted - kRoundMagic;
  float r = fmaf(n, -kLn2High, x);
  r = fmaf(n, -kLn2Low, r);
  float p = kExpTaylor[0];
  for (int i = 1; i < 8; ++i) p = fmaf(p, r, kExpTaylor[i]);
  return p * FloatFromBits((BitsFromFloat(shifted) - kRoundMagicBits + 127u) << 23);
}

// l[j] + l[j+8], then + 4, + 2, + 1.
static LG_ALWAYS_INLINE float SumLanesScalar(const float* lanes) {
  float sums[kLanes / 2];
  for (size_t j = 0; j < 8; ++j) sums[j] = lanes[j] + lanes[j + 8];
  for (size_t j = 0; j < 4; ++j) sums[j] = sums[j] + sums[j + 4];
  return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

}  // namespace lg
