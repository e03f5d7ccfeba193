// SPDX-License-Identifier: Apache-2.0
// attention with 16 keys (scores) or 16 dimensions (output) side by side in four registers, four query heads at a time:
// 16 independent fma chains, and each load of a key or value serves four heads; with 4 numbers they take 21 of 32
// registers. A block's keys and values are widened to f32 once for all rows of the call.
#include "kernels/attention/blocks.h"
#include "kernels/math/neon.h"

namespace lg {
namespace {

LG_ALWAYS_INLINE float32x4_t Load4(const float* from) { return vld1q_f32(from); }
LG_ALWAYS_INLINE float32x4_t Load4(const uint16_t* from) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from))); }

template <int H, typename Element>
LG_ALWAYS_INLINE void AddProducts(const Products<Element>& p, float32x4_t (&acc)[H][4]) {
  for (size_t i = 0; i < p.count; ++i) {
    PrefetchNext<16>(p, i);
    float numbers[H];
    LG_UNROLL
    for (int h = 0; h < H; ++h) numbers[h] = p.numbers[h * p.number_stride + i];
    LG_UNROLL
    for (int v = 0; v < 4; ++v) {
      const float32x4_t values = Load4(p.values + i * p.value_stride + 4 * v);
      LG_UNROLL
      for (int h = 0; h < H; ++h) acc[h][v] = vfmaq_n_f32(acc[h][v], values, numbers[h]);
    }
  }
}

// Four scores as probabilities, in place.
LG_ALWAYS_INLINE float32x4_t Probabilities4(float* scores, float max) {
  const float32x4_t p = ExpNeon(vsubq_f32(vld1q_f32(scores), vdupq_n_f32(max)));
  vst1q_f32(scores, p);
  return p;
}

// The same; 0 for keys from `count` on, which may be negative. Adding 0 leaves the sums of the lanes as they were.
LG_ALWAYS_INLINE float32x4_t SomeProbabilities4(float* scores, ptrdiff_t count, float max) {
  const uint32x4_t bits = vreinterpretq_u32_f32(ExpNeon(vsubq_f32(vld1q_f32(scores), vdupq_n_f32(max))));
  const float32x4_t p = vreinterpretq_f32_u32(vandq_u32(bits, TailMask4(count)));
  vst1q_f32(scores, p);
  return p;
}

// Products are functions of their own: in one function with exp, whose constants want registers, gcc 12 keeps accumulators in
// memory.
struct Neon {
  static LG_ALWAYS_INLINE void Widen(const uint16_t* from, float* to) {
    LG_UNROLL
    for (int v = 0; v < 4; ++v) vst1q_f32(to + 4 * v, Load4(from + 4 * v));
  }

  template <int H, typename Element>
  static LG_NOINLINE void Scores(const float* q, size_t head_dim, const BlockPart<Element>& keys, float* scores) {
    for (size_t j = 0; j < keys.count; j += 16) {
      float32x4_t acc[H][4];
      LG_UNROLL
      for (int h = 0; h < H; ++h) {
        LG_UNROLL
        for (int v = 0; v < 4; ++v) acc[h][v] = vdupq_n_f32(0.0f);
      }
      AddProducts<H, Element>({q, head_dim, keys.data + j, kKeyBlock, head_dim, keys.next + j * head_dim}, acc);
      LG_UNROLL
      for (int h = 0; h < H; ++h) {
        LG_UNROLL
        for (int v = 0; v < 4; ++v) vst1q_f32(scores + h * kKeyBlock + j + 4 * v, acc[h][v]);
      }
    }
  }

  static LG_ALWAYS_INLINE float Max(const float* scores, size_t count, float max) {
    float32x4_t maxima = vdupq_n_f32(max);
    for (size_t j = 0; j < count; j += 4) {
      const uint32x4_t mask = TailMask4(static_cast<ptrdiff_t>(count - j));
      maxima = LargerNeon(vbslq_f32(mask, vld1q_f32(scores + j), maxima), maxima);
    }
    return vmaxvq_f32(maxima);  // a maximum is the same in any order
  }

  static LG_ALWAYS_INLINE void Exp16(float* x) {
    LG_UNROLL
    for (int v = 0; v < 4; ++v) vst1q_f32(x + 4 * v, ExpNeon(vld1q_f32(x + 4 * v)));
  }

  static LG_ALWAYS_INLINE void Probabilities(float* scores, size_t count, float max, float keep, float* lanes) {
    float32x4_t sums[4];
    LG_UNROLL
    for (int v = 0; v < 4; ++v) sums[v] = vmulq_n_f32(vld1q_f32(lanes + 4 * v), keep);
    size_t j = 0;
    for (; j + 16 <= count; j += 16) {
      LG_UNROLL
      for (int v = 0; v < 4; ++v) sums[v] = vaddq_f32(sums[v], Probabilities4(scores + j + 4 * v, max));
    }
    if (j < count) {
      const ptrdiff_t rest = static_cast<ptrdiff_t>(count - j);
      LG_UNROLL
      for (int v = 0; v < 4; ++v) sums[v] = vaddq_f32(sums[v], SomeProbabilities4(scores + j + 4 * v, rest - 4 * v, max));
    }
    LG_UNROLL
    for (int v = 0; v < 4; ++v) vst1q_f32(lanes + 4 * v, sums[v]);
  }

  template <int H, typename Element>
  static LG_NOINLINE void Outputs(const float* p, const BlockPart<Element>& values, size_t head_dim, const float* keep, float* out) {
    for (size_t d = 0; d < head_dim; d += 16) {
      float32x4_t acc[H][4];
      LG_UNROLL
      for (int h = 0; h < H; ++h) {
        LG_UNROLL
        for (int v = 0; v < 4; ++v) acc[h][v] = vmulq_n_f32(vld1q_f32(out + h * head_dim + d + 4 * v), keep[h]);
      }
      AddProducts<H, Element>({p, kKeyBlock, values.data + d, head_dim, values.count, values.next + d * kKeyBlock}, acc);
      LG_UNROLL
      for (int h = 0; h < H; ++h) {
        LG_UNROLL
        for (int v = 0; v < 4; ++v) vst1q_f32(out + h * head_dim + d + 4 * v, acc[h][v]);
      }
    }
  }
};

}  // namespace

void attention_4x64_neon(const AttentionArgs& a) { RunAttention<Neon>(a); }

}  // namespace lg
