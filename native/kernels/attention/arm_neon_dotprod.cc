// SPDX-License-Identifier: Apache-2.0
// attention with 16 keys (scores) or 16 dimensions (output) side by side in four registers, four query heads at a time:
// 16 independent fma chains, 4 registers of keys or values, 4 of queries: 24 of 32; each load serves four heads.
// A block's keys and values are widened to f32 once for all rows of the call.
#include "kernels/attention/attention.h"
#include "kernels/math/neon.h"

namespace lg {
namespace {

// Views into the scratch memory; `at` counts (row, head) pairs.
struct Work {
  float* keys;    // [head_dim][64]
  float* values;  // [64][head_dim]
  float* scores;  // [at][64]
  float* q;       // [at][head_dim], scaled
  float* out;     // [at][head_dim]
  float* lanes;   // [at][16]
  float* max;     // [at]
};

Work Divide(const AttentionArgs& a) {
  const size_t block = kKeyBlock * a.head_dim, pairs = a.rows * a.heads;
  Work w;
  w.keys = a.scratch;
  w.values = w.keys + block;
  w.scores = w.values + block;
  w.q = w.scores + pairs * kKeyBlock;
  w.out = w.q + pairs * a.head_dim;
  w.lanes = w.out + pairs * a.head_dim;
  w.max = w.lanes + pairs * kLanes;
  return w;
}

void Start(const AttentionArgs& a, const Work& w) {
  for (size_t at = 0; at < a.rows * a.heads; ++at) {
    const float* q = a.q + at / a.heads * a.stride + at % a.heads * a.head_dim;
    for (size_t d = 0; d < a.head_dim; d += 4) {
      vst1q_f32(w.q + at * a.head_dim + d, vmulq_n_f32(vld1q_f32(q + d), a.scale));
      vst1q_f32(w.out + at * a.head_dim + d, vdupq_n_f32(0.0f));
    }
    for (size_t lane = 0; lane < kLanes; lane += 4) vst1q_f32(w.lanes + at * kLanes + lane, vdupq_n_f32(0.0f));
    w.max[at] = kScoreFloor;
  }
}

LG_ALWAYS_INLINE void Widen(const uint16_t* from, float* to) {
  const uint16x8_t halves = vld1q_u16(from);
  vst1q_f32(to, vcvt_f32_f16(vreinterpret_f16_u16(vget_low_u16(halves))));
  vst1q_f32(to + 4, vcvt_f32_f16(vreinterpret_f16_u16(vget_high_u16(halves))));
}

void WidenBlock(const AttentionArgs& a, size_t block, size_t keys, const Work& w) {
  for (size_t d = 0; d < a.head_dim; ++d) {
    for (size_t j = 0; j < keys; j += 8) Widen(a.keys[block] + d * kKeyBlock + j, w.keys + d * kKeyBlock + j);
  }
  for (size_t i = 0; i < keys * a.head_dim; i += 8) Widen(a.values[block] + i, w.values + i);
}

// acc += lane kLane of each head's q times 16 keys of that dimension.
template <int H, int kLane>
LG_ALWAYS_INLINE void AddDimension(const float32x4_t (&q)[H], const float* keys, float32x4_t (&acc)[H][4]) {
  for (int v = 0; v < 4; ++v) {
    const float32x4_t key = vld1q_f32(keys + kLane * kKeyBlock + 4 * v);
    for (int h = 0; h < H; ++h) acc[h][v] = vfmaq_laneq_f32(acc[h][v], key, q[h], kLane);
  }
}

// Scores of H heads against 16 keys.
template <int H>
LG_ALWAYS_INLINE void Scores(const float* q, size_t head_dim, const float* keys, float* scores) {
  float32x4_t acc[H][4];
  for (int h = 0; h < H; ++h) {
    for (int v = 0; v < 4; ++v) acc[h][v] = vdupq_n_f32(0.0f);
  }
  for (size_t d = 0; d < head_dim; d += 4, keys += 4 * kKeyBlock) {
    float32x4_t four[H];
    for (int h = 0; h < H; ++h) four[h] = vld1q_f32(q + h * head_dim + d);
    AddDimension<H, 0>(four, keys, acc);
    AddDimension<H, 1>(four, keys, acc);
    AddDimension<H, 2>(four, keys, acc);
    AddDimension<H, 3>(four, keys, acc);
  }
  for (int h = 0; h < H; ++h) {
    for (int v = 0; v < 4; ++v) vst1q_f32(scores + h * kKeyBlock + 4 * v, acc[h][v]);
  }
}

// Scores to probabilities, in place, 0 for keys from `keys` to the end of their 16; updates maximum and lanes; returns the
// factor for what was summed before.
LG_ALWAYS_INLINE float Probabilities(float* scores, size_t keys, float* max, float* lanes) {
  float32x4_t maxima = vdupq_n_f32(*max);
  for (size_t j = 0; j < keys; j += 4) {
    const uint32x4_t mask = TailMask4(static_cast<ptrdiff_t>(keys - j));
    maxima = LargerNeon(vbslq_f32(mask, vld1q_f32(scores + j), maxima), maxima);
  }
  const float new_max = vmaxvq_f32(maxima);  // a maximum is the same in any order
  const float keep = ExpScalar(*max - new_max);
  float32x4_t sums[4];
  for (int v = 0; v < 4; ++v) sums[v] = vmulq_n_f32(vld1q_f32(lanes + 4 * v), keep);
  for (size_t j = 0; j < keys; j += 16) {
    for (int v = 0; v < 4; ++v) {
      float* four = scores + j + 4 * v;
      const uint32x4_t mask = TailMask4(static_cast<ptrdiff_t>(keys) - static_cast<ptrdiff_t>(j) - 4 * v);
      const float32x4_t e = ExpNeon(vsubq_f32(vld1q_f32(four), vdupq_n_f32(new_max)));
      const float32x4_t p = vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(e), mask));
      vst1q_f32(four, p);
      sums[v] = vaddq_f32(sums[v], p);
    }
  }
  for (int v = 0; v < 4; ++v) vst1q_f32(lanes + 4 * v, sums[v]);
  *max = new_max;
  return keep;
}

// out = out * keep + probabilities x values, H heads x 16 dimensions.
template <int H>
LG_ALWAYS_INLINE void Outputs(const float* p, size_t keys, const float* values, size_t head_dim, const float* keep, float* out) {
  float32x4_t acc[H][4];
  for (int h = 0; h < H; ++h) {
    for (int v = 0; v < 4; ++v) acc[h][v] = vmulq_n_f32(vld1q_f32(out + h * head_dim + 4 * v), keep[h]);
  }
  for (size_t j = 0; j < keys; ++j) {
    for (int v = 0; v < 4; ++v) {
      const float32x4_t value = vld1q_f32(values + j * head_dim + 4 * v);
      for (int h = 0; h < H; ++h) acc[h][v] = vfmaq_n_f32(acc[h][v], value, p[h * kKeyBlock + j]);
    }
  }
  for (int h = 0; h < H; ++h) {
    for (int v = 0; v < 4; ++v) vst1q_f32(out + h * head_dim + 4 * v, acc[h][v]);
  }
}

// H heads of one row against one block.
template <int H>
void HeadsBlock(const Work& w, size_t at, size_t keys, size_t head_dim) {
  float* scores = w.scores + at * kKeyBlock;
  for (size_t j = 0; j < keys; j += 16) Scores<H>(w.q + at * head_dim, head_dim, w.keys + j, scores + j);
  float keep[H];
  for (int h = 0; h < H; ++h) {
    keep[h] = Probabilities(scores + h * kKeyBlock, keys, w.max + at + h, w.lanes + (at + h) * kLanes);
  }
  float* out = w.out + at * head_dim;
  for (size_t d = 0; d < head_dim; d += 16) Outputs<H>(scores, keys, w.values + d, head_dim, keep, out + d);
}

void RowBlock(const AttentionArgs& a, const Work& w, size_t row, size_t keys) {
  size_t h = 0;
  for (; h + 4 <= a.heads; h += 4) HeadsBlock<4>(w, row * a.heads + h, keys, a.head_dim);
  for (; h < a.heads; ++h) HeadsBlock<1>(w, row * a.heads + h, keys, a.head_dim);
}

void Finish(const AttentionArgs& a, const Work& w) {
  for (size_t at = 0; at < a.rows * a.heads; ++at) {
    float* out = a.out + at / a.heads * a.stride + at % a.heads * a.head_dim;
    const float inverse = 1.0f / SumLanesScalar(w.lanes + at * kLanes);
    for (size_t d = 0; d < a.head_dim; d += 4) {
      vst1q_f32(out + d, vmulq_n_f32(vld1q_f32(w.out + at * a.head_dim + d), inverse));
    }
  }
}

}  // namespace

void attention_4x64_neon_dotprod(const AttentionArgs& a) {
  const Work w = Divide(a);
  Start(a, w);
  const size_t all_keys = a.first_position + a.rows;
  for (size_t first = 0; first < all_keys; first += kKeyBlock) {
    WidenBlock(a, first / kKeyBlock, all_keys - first < kKeyBlock ? all_keys - first : kKeyBlock, w);
    for (size_t row = 0; row < a.rows; ++row) {
      const size_t end = a.first_position + row + 1;  // keys that this row may see
      if (end > first) RowBlock(a, w, row, end - first < kKeyBlock ? end - first : kKeyBlock);
    }
  }
  Finish(a, w);
}

}  // namespace lg
