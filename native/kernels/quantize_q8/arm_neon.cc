// SPDX-License-Identifier: Apache-2.0
// quantize_q8, 16 values a step: four registers of int32 narrow into one of bytes. Every group is a multiple of 16.
#include "kernels/math/neon.h"
#include "kernels/quantize_q8/params.h"
#include "kernels/quantize_q8/quantize_q8.h"

namespace lg {
namespace {

// `keep` is all ones, or zero for a poisoned row, which becomes zeros.
LG_ALWAYS_INLINE int32x4_t Quantize4(const float* x, const Q8Params& p, uint32x4_t keep) {
  const uint32x4_t scaled = vandq_u32(vreinterpretq_u32_f32(vmulq_n_f32(vld1q_f32(x), p.scale)), keep);
  const float32x4_t raised = vmaxq_f32(vreinterpretq_f32_u32(scaled), vdupq_n_f32(p.low));
  const float32x4_t clamped = vminq_f32(raised, vdupq_n_f32(p.high));
  return vaddq_s32(vcvtnq_s32_f32(clamped), vdupq_n_s32(p.zero_point));  // rounds half to even
}

int32_t QuantizeGroup(const float* x, size_t group, const Q8Params& p, int8_t* q) {
  const uint32x4_t keep = vdupq_n_u32(p.scale == 0.0f ? 0u : 0xffffffffu);
  int32x4_t sums = vdupq_n_s32(0);
  for (size_t i = 0; i < group; i += 16) {
    const int32x4_t v0 = Quantize4(x + i, p, keep), v1 = Quantize4(x + i + 4, p, keep);
    const int32x4_t v2 = Quantize4(x + i + 8, p, keep), v3 = Quantize4(x + i + 12, p, keep);
    sums = vaddq_s32(sums, vaddq_s32(vaddq_s32(v0, v1), vaddq_s32(v2, v3)));
    // Values lie in -128..127: narrowing loses nothing.
    const int16x8_t first = vcombine_s16(vmovn_s32(v0), vmovn_s32(v1)), second = vcombine_s16(vmovn_s32(v2), vmovn_s32(v3));
    vst1q_s8(q + i, vcombine_s8(vmovn_s16(first), vmovn_s16(second)));
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
  for (size_t g = 0; g < a.k / a.group; ++g) {
    const int32_t sum = QuantizeGroup(a.x + g * a.group, a.group, p, a.q + g * a.group);
    a.corr[g] = Q8Correction(p.zero_point, sum);
  }
}

}  // namespace lg
