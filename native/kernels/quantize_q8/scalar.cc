// SPDX-License-Identifier: Apache-2.0
// The definition of quantize_q8.
#include "kernels/quantize_q8/params.h"
#include "kernels/quantize_q8/quantize_q8.h"

namespace lg {

void quantize_q8_1x1_scalar(const QuantizeQ8Args& a) {
  float rmin = 0.0f, rmax = 0.0f;
  uint32_t magnitude = 0;
  for (size_t i = 0; i < a.k; ++i) {
    rmin = a.x[i] < rmin ? a.x[i] : rmin;
    rmax = a.x[i] > rmax ? a.x[i] : rmax;
    const uint32_t bits = BitsFromFloat(a.x[i]) & 0x7fffffffu;
    magnitude = bits > magnitude ? bits : magnitude;
  }
  const Q8Params p = MakeQ8Params(rmin, rmax, magnitude);
  *a.inv = p.inv;
  const bool poisoned = p.scale == 0.0f;
  for (size_t g = 0; g < a.k / a.group; ++g) {
    int32_t sum = 0;
    for (size_t i = g * a.group; i < (g + 1) * a.group; ++i) {
      float scaled = poisoned ? 0.0f : a.x[i] * p.scale;
      scaled = scaled < p.low ? p.low : scaled > p.high ? p.high : scaled;
      const int32_t q = static_cast<int32_t>((scaled + kRoundMagic) - kRoundMagic) + p.zero_point;
      a.q[i] = static_cast<int8_t>(q);
      sum += q;
    }
    a.corr[g] = Q8Correction(p.zero_point, sum);
  }
}

}  // namespace lg
