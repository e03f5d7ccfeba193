// SPDX-License-Identifier: Apache-2.0
// sin and cos: Cody-Waite reduction by pi/2 in two parts, then Taylor series on [-pi/4, pi/4].
#include "ops/rope_table.h"

#include <cstdint>

namespace lg {
namespace {

constexpr double kTwoOverPi = 0.63661977236758134308;
constexpr double kHalfPiHigh = 1.57079632673412561417;    // the first 33 bits: n * high is exact for n < 2^20
constexpr double kHalfPiLow = 6.07710050650619224932e-11;  // the rest, to 2^-87

struct SinCos {
  double sin, cos;
};

// |angle| below 2^20 * pi/2; absolute error below 1e-15, far inside the rounding to f32.
SinCos SinCosOf(double angle) {
  const int64_t n = static_cast<int64_t>(angle * kTwoOverPi + (angle < 0 ? -0.5 : 0.5));
  const double r = (angle - static_cast<double>(n) * kHalfPiHigh) - static_cast<double>(n) * kHalfPiLow;
  const double square = r * r;
  double sin = 0.0, cos = 0.0;
  for (int i = 17; i > 1; i -= 2) sin = (1.0 - sin) * square / ((i - 1) * i);
  for (int i = 16; i > 0; i -= 2) cos = (1.0 - cos) * square / ((i - 1) * i);
  sin = r * (1.0 - sin);
  cos = 1.0 - cos;
  switch (n & 3) {
    case 0: return {sin, cos};
    case 1: return {cos, -sin};
    case 2: return {-sin, -cos};
    default: return {-cos, sin};
  }
}

}  // namespace

void RopeRow(const float* freqs, size_t head_dim, size_t position, float* cos, float* sin) {
  for (size_t i = 0; i < head_dim / 2; ++i) {
    const SinCos value = SinCosOf(static_cast<double>(position) * static_cast<double>(freqs[i]));
    cos[2 * i] = cos[2 * i + 1] = static_cast<float>(value.cos);
    sin[2 * i] = -static_cast<float>(value.sin);
    sin[2 * i + 1] = static_cast<float>(value.sin);
  }
}

}  // namespace lg
