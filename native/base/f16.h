// SPDX-License-Identifier: Apache-2.0
// IEEE half and bfloat16 bits, rounded to nearest even as F16C, AVX-512 and NEON fcvt do. Portable definition.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/arch.h"

namespace lg {

static LG_ALWAYS_INLINE float FloatFromBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

static LG_ALWAYS_INLINE uint32_t BitsFromFloat(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

static LG_ALWAYS_INLINE float FloatFromBf16(uint16_t bits) { return FloatFromBits(static_cast<uint32_t>(bits) << 16); }

// Exact. Exponent 31 (infinity, NaN) and subnormals are handled by one multiplication by 2^112.
static LG_ALWAYS_INLINE float FloatFromF16(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t magnitude = static_cast<uint32_t>(half & 0x7fffu) << 13;
  if (magnitude >= (0x7c00u << 13)) return FloatFromBits(sign | 0x7f800000u | (magnitude & 0x007fffffu));
  const float scaled = FloatFromBits(magnitude) * FloatFromBits(0x77800000u);
  return FloatFromBits(sign | BitsFromFloat(scaled));
}

// Round to nearest even; overflow gives infinity; NaN stays NaN (quiet, payload cut).
static LG_ALWAYS_INLINE uint16_t F16FromFloat(float value) {
  const uint32_t bits = BitsFromFloat(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x1ffu));
  if (magnitude >= 0x47800000u) return static_cast<uint16_t>(sign | 0x7c00u);  // 65536 and above
  if (magnitude < 0x38800000u) {  // below 2^-14: let the FPU round to a multiple of 2^-24
    const float shifted = FloatFromBits(magnitude) + 0.5f;  // ulp of [0.5, 1) is 2^-24
    return static_cast<uint16_t>(sign | (BitsFromFloat(shifted) - 0x3f000000u));
  }
  const uint32_t odd = (magnitude >> 13) & 1u;
  return static_cast<uint16_t>(sign | ((magnitude - 0x38000000u + 0x0fffu + odd) >> 13));
}

}  // namespace lg
