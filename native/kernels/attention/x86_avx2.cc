// SPDX-License-Identifier: Apache-2.0
// attention with 16 keys (scores) or 16 dimensions (output) side by side in two registers, four query heads at a time:
// 8 independent fma chains hide a latency of 4 at two a cycle, and with 2 key or value loads and a broadcast they fit the
// 16 registers. A block's keys and values are widened to f32 once for all rows of the call.
#include "kernels/attention/attention.h"
#include "kernels/math/avx2.h"

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
  const __m256 scale = _mm256_set1_ps(a.scale);
  for (size_t at = 0; at < a.rows * a.heads; ++at) {
    const float* q = a.q + at / a.heads * a.stride + at % a.heads * a.head_dim;
    for (size_t d = 0; d < a.head_dim; d += 8) {
      _mm256_store_ps(w.q + at * a.head_dim + d, _mm256_mul_ps(_mm256_loadu_ps(q + d), scale));
      _mm256_store_ps(w.out + at * a.head_dim + d, _mm256_setzero_ps());
    }
    for (size_t lane = 0; lane < kLanes; lane += 8) _mm256_store_ps(w.lanes + at * kLanes + lane, _mm256_setzero_ps());
    w.max[at] = kScoreFloor;
  }
}

LG_ALWAYS_INLINE void Widen(const uint16_t* from, float* to) {
  _mm256_store_ps(to, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
}

void WidenBlock(const AttentionArgs& a, size_t block, size_t keys, const Work& w) {
  for (size_t d = 0; d < a.head_dim; ++d) {
    for (size_t j = 0; j < keys; j += 8) Widen(a.keys[block] + d * kKeyBlock + j, w.keys + d * kKeyBlock + j);
  }
  for (size_t i = 0; i < keys * a.head_dim; i += 8) Widen(a.values[block] + i, w.values + i);
}

// Scores of H heads against 16 keys.
template <int H>
LG_ALWAYS_INLINE void Scores(const float* q, size_t head_dim, const float* keys, float* scores) {
  __m256 acc[H][2];
  for (int h = 0; h < H; ++h) acc[h][0] = acc[h][1] = _mm256_setzero_ps();
  for (size_t d = 0; d < head_dim; ++d) {
    const __m256 first = _mm256_load_ps(keys + d * kKeyBlock), second = _mm256_load_ps(keys + d * kKeyBlock + 8);
    for (int h = 0; h < H; ++h) {
      const __m256 one = _mm256_set1_ps(q[h * head_dim + d]);
      acc[h][0] = _mm256_fmadd_ps(one, first, acc[h][0]);
      acc[h][1] = _mm256_fmadd_ps(one, second, acc[h][1]);
    }
  }
  for (int h = 0; h < H; ++h) {
    _mm256_store_ps(scores + h * kKeyBlock, acc[h][0]);
    _mm256_store_ps(scores + h * kKeyBlock + 8, acc[h][1]);
  }
}

// The scores of keys j .. j + 7 as probabilities, in place; 0 for keys from `keys` on.
LG_ALWAYS_INLINE __m256 Probabilities8(float* scores, size_t j, size_t keys, __m256 max) {
  const __m256i mask = TailMask8(static_cast<ptrdiff_t>(keys) - static_cast<ptrdiff_t>(j));
  const __m256 p = _mm256_and_ps(ExpAvx2(_mm256_sub_ps(_mm256_load_ps(scores + j), max)), _mm256_castsi256_ps(mask));
  _mm256_store_ps(scores + j, p);
  return p;
}

// Scores to probabilities, in place; updates maximum and lanes; returns the factor for what was summed before.
LG_ALWAYS_INLINE float Probabilities(float* scores, size_t keys, float* max, float* lanes) {
  __m256 maxima = _mm256_set1_ps(*max);
  for (size_t j = 0; j < keys; j += 8) {
    const __m256 mask = _mm256_castsi256_ps(TailMask8(static_cast<ptrdiff_t>(keys - j)));
    maxima = _mm256_max_ps(_mm256_blendv_ps(maxima, _mm256_load_ps(scores + j), mask), maxima);
  }
  const float new_max = MaxLaneAvx2(maxima);
  const float keep = ExpScalar(*max - new_max);
  __m256 first = _mm256_mul_ps(_mm256_load_ps(lanes), _mm256_set1_ps(keep));
  __m256 second = _mm256_mul_ps(_mm256_load_ps(lanes + 8), _mm256_set1_ps(keep));
  for (size_t j = 0; j < keys; j += 16) {
    first = _mm256_add_ps(first, Probabilities8(scores, j, keys, _mm256_set1_ps(new_max)));
    second = _mm256_add_ps(second, Probabilities8(scores, j + 8, keys, _mm256_set1_ps(new_max)));
  }
  _mm256_store_ps(lanes, first);
  _mm256_store_ps(lanes + 8, second);
  *max = new_max;
  return keep;
}

// out = out * keep + probabilities x values, H heads x 16 dimensions.
template <int H>
LG_ALWAYS_INLINE void Outputs(const float* p, size_t keys, const float* values, size_t head_dim, const float* keep, float* out) {
  __m256 acc[H][2];
  for (int h = 0; h < H; ++h) {
    const __m256 factor = _mm256_set1_ps(keep[h]);
    acc[h][0] = _mm256_mul_ps(_mm256_load_ps(out + h * head_dim), factor);
    acc[h][1] = _mm256_mul_ps(_mm256_load_ps(out + h * head_dim + 8), factor);
  }
  for (size_t j = 0; j < keys; ++j) {
    const __m256 first = _mm256_load_ps(values + j * head_dim), second = _mm256_load_ps(values + j * head_dim + 8);
    for (int h = 0; h < H; ++h) {
      const __m256 one = _mm256_set1_ps(p[h * kKeyBlock + j]);
      acc[h][0] = _mm256_fmadd_ps(one, first, acc[h][0]);
      acc[h][1] = _mm256_fmadd_ps(one, second, acc[h][1]);
    }
  }
  for (int h = 0; h < H; ++h) {
    _mm256_store_ps(out + h * head_dim, acc[h][0]);
    _mm256_store_ps(out + h * head_dim + 8, acc[h][1]);
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
    const float* lanes = w.lanes + at * kLanes;
    const __m256 inverse = _mm256_set1_ps(1.0f / SumLanesAvx2(_mm256_load_ps(lanes), _mm256_load_ps(lanes + 8)));
    for (size_t d = 0; d < a.head_dim; d += 8) {
      _mm256_storeu_ps(out + d, _mm256_mul_ps(_mm256_load_ps(w.out + at * a.head_dim + d), inverse));
    }
  }
}

}  // namespace

void attention_4x64_avx2(const AttentionArgs& a) {
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
