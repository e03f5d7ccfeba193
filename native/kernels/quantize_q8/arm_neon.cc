// SPDX-License-Identifier: Apache-2.0
// quantize_q8, 16 values a step: four registers of int32 narrow into one of bytes, which is the clamp (params.h). Every group
// is a multiple of 16.
#include "kernels/math/neon.h"
#include "kernels/quantize_q8/params.h"
#include "kernels/quantize_q8/quantize_q8.h"

namespace lg {
namespace {

LG_ALWAYS_INLINE int32x4_t Rounded4(const float* x, const Q8Params& p) {
  return vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x), p.scale));  // rounds half to even
}

LG_ALWAYS_INLINE int16x8_t Rounded8(const float* x, const Q8Params& p) {
  return vcombine_s16(vqmovn_s32(Rounded4(x, p)), vqmovn_s32(Rounded4(x + 4, p)));
}

// The sum of the values.
int32_t QuantizeGroup(const float* x, size_t group, const Q8Params& p, int8_t* q) {
  const int16x8_t zero_point = vdupq_n_s16(static_cast<int16_t>(p.zero_point));
  int32x4_t sums = vdupq_n_s32(0);
  for (size_t i = 0; i < group; i += 16) {
    const int16x8_t first = vaddq_s16(Rounded8(x + i, p), zero_point), second = vaddq_s16(Rounded8(x + i + 8, p), zero_point);
    const int8x16_t bytes = vcombine_s8(vqmovn_s16(first), vqmovn_s16(second));
    vst1q_s8(q + i, bytes);
    sums = vpadalq_s16(sums, vpaddlq_s8(bytes));
  }
  return vaddvq_s32(sums);
}

Q8Params RowParams(const float* x, size_t k) {
  float32x4_t rmin = vdupq_n_f32(0.0f), rmax = vdupq_n_f32(0.0f);
  uint32x4_t magnitude = vdupq_n_u32(0);
  for (size_t i = 0; i < k; i += 4) {
    const float32x4_t values = vld1q_f32(x + i);
    // fmin takes -0 for less than 0, which no later step can tell; NaN shows in `magnitude`.
    rmin = vminq_f32(values, rmin);
    rmax = vmaxq_f32(values, rmax);
    magnitude = vmaxq_u32(magnitude, vandq_u32(vreinterpretq_u32_f32(values), vdupq_n_u32(0x7fffffffu)));
  }
  return MakeQ8Params(vminvq_f32(rmin), vmaxvq_f32(rmax), vmaxvq_u32(magnitude));
}

}  // namespace

void quantize_q8_1x16_neon(const QuantizeQ8Args& a) {
  const Q8Params p = RowParams(a.x, a.k);
  *a.inv = p.inv;
  if (p.scale == 0.0f) return ClearRow(a);
  for (size_t g = 0; g < a.k / a.group; ++g) {
    const int32_t sum = QuantizeGroup(a.x + g * a.group, a.group, p, a.q + g * a.group);
    a.corr[g] = Q8Correction(p.zero_point, sum);
  }
}

}  // namespace lg
