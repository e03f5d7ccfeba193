// SPDX-License-Identifier: Apache-2.0
// attention with 16 keys (scores) or 16 dimensions (output) side by side, four query heads at a time: 4 heads x 4 registers
// are 16 independent fma chains, enough to hide a latency of 4 at two a cycle; each key or value load serves four heads.
// A block's keys and values are widened to f32 once for all rows of the call: 2 x 16 KB at head dimension 64, L1-sized.
#include "kernels/attention/attention.h"
#include "kernels/math/avx512.h"

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
  w.max = w.lanes + pairs * 16;
  return w;
}

void Start(const AttentionArgs& a, const Work& w) {
  const __m512 scale = _mm512_set1_ps(a.scale);
  for (size_t at = 0; at < a.rows * a.heads; ++at) {
    const float* q = a.q + at / a.heads * a.stride + at % a.heads * a.head_dim;
    for (size_t d = 0; d < a.head_dim; d += 16) {
      _mm512_store_ps(w.q + at * a.head_dim + d, _mm512_mul_ps(_mm512_loadu_ps(q + d), scale));
      _mm512_store_ps(w.out + at * a.head_dim + d, _mm512_setzero_ps());
    }
    _mm512_store_ps(w.lanes + at * 16, _mm512_setzero_ps());
    w.max[at] = kScoreFloor;
  }
}

LG_ALWAYS_INLINE void Widen(const uint16_t* from, float* to) {
  _mm512_store_ps(to, _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))));
}

void WidenBlock(const AttentionArgs& a, size_t block, size_t keys, const Work& w) {
  for (size_t d = 0; d < a.head_dim; ++d) {
    for (size_t j = 0; j < keys; j += 16) Widen(a.keys[block] + d * kKeyBlock + j, w.keys + d * kKeyBlock + j);
  }
  for (size_t i = 0; i < keys * a.head_dim; i += 16) Widen(a.values[block] + i, w.values + i);
}

// Scores of H heads against 16 * V keys.
template <int H, int V>
LG_ALWAYS_INLINE void Scores(const float* q, size_t head_dim, const float* keys, float* scores) {
  __m512 acc[H][V];
  LG_UNROLL
  for (int h = 0; h < H; ++h) {
    LG_UNROLL
    for (int v = 0; v < V; ++v) acc[h][v] = _mm512_setzero_ps();
  }
  for (size_t d = 0; d < head_dim; ++d) {
    LG_UNROLL
    for (int h = 0; h < H; ++h) {
      const __m512 one = _mm512_set1_ps(q[h * head_dim + d]);
      LG_UNROLL
      for (int v = 0; v < V; ++v) acc[h][v] = _mm512_fmadd_ps(one, _mm512_load_ps(keys + d * kKeyBlock + 16 * v), acc[h][v]);
    }
  }
  LG_UNROLL
  for (int h = 0; h < H; ++h) {
    LG_UNROLL
    for (int v = 0; v < V; ++v) _mm512_store_ps(scores + h * kKeyBlock + 16 * v, acc[h][v]);
  }
}

// Scores to probabilities, in place; updates maximum and lanes; returns the factor for what was summed before.
LG_ALWAYS_INLINE float Probabilities(float* scores, size_t keys, float* max, float* lanes) {
  __m512 maxima = _mm512_set1_ps(*max);
  for (size_t j = 0; j < keys; j += 16) {
    maxima = _mm512_mask_max_ps(maxima, TailMask16(keys - j), maxima, _mm512_load_ps(scores + j));
  }
  const float new_max = _mm512_reduce_max_ps(maxima);  // a maximum is the same in any order
  const float keep = _mm512_cvtss_f32(ExpAvx512(_mm512_set1_ps(*max - new_max)));
  __m512 sums = _mm512_mul_ps(_mm512_load_ps(lanes), _mm512_set1_ps(keep));
  for (size_t j = 0; j < keys; j += 16) {
    const __m512 e = ExpAvx512(_mm512_sub_ps(_mm512_load_ps(scores + j), _mm512_set1_ps(new_max)));
    const __m512 p = _mm512_maskz_mov_ps(TailMask16(keys - j), e);
    _mm512_store_ps(scores + j, p);
    sums = _mm512_add_ps(sums, p);
  }
  _mm512_store_ps(lanes, sums);
  *max = new_max;
  return keep;
}

// out = out * keep + probabilities x values, H heads x 16 * V dimensions.
template <int H, int V>
LG_ALWAYS_INLINE void Outputs(const float* p, size_t keys, const float* values, size_t head_dim, const float* keep, float* out) {
  __m512 acc[H][V];
  LG_UNROLL
  for (int h = 0; h < H; ++h) {
    LG_UNROLL
    for (int v = 0; v < V; ++v) acc[h][v] = _mm512_mul_ps(_mm512_load_ps(out + h * head_dim + 16 * v), _mm512_set1_ps(keep[h]));
  }
  for (size_t j = 0; j < keys; ++j) {
    LG_UNROLL
    for (int h = 0; h < H; ++h) {
      const __m512 one = _mm512_set1_ps(p[h * kKeyBlock + j]);
      LG_UNROLL
      for (int v = 0; v < V; ++v) acc[h][v] = _mm512_fmadd_ps(one, _mm512_load_ps(values + j * head_dim + 16 * v), acc[h][v]);
    }
  }
  LG_UNROLL
  for (int h = 0; h < H; ++h) {
    LG_UNROLL
    for (int v = 0; v < V; ++v) _mm512_store_ps(out + h * head_dim + 16 * v, acc[h][v]);
  }
}

// H heads of one row against one block.
template <int H>
void HeadsBlock(const Work& w, size_t at, size_t keys, size_t head_dim) {
  float* scores = w.scores + at * kKeyBlock;
  const float* q = w.q + at * head_dim;
  if (keys > 48) {
    Scores<H, 4>(q, head_dim, w.keys, scores);
  } else {
    for (size_t j = 0; j < keys; j += 16) Scores<H, 1>(q, head_dim, w.keys + j, scores + j);
  }
  float keep[H];
  for (int h = 0; h < H; ++h) keep[h] = Probabilities(scores + h * kKeyBlock, keys, w.max + at + h, w.lanes + (at + h) * 16);
  float* out = w.out + at * head_dim;
  size_t d = 0;
  for (; d + 64 <= head_dim; d += 64) Outputs<H, 4>(scores, keys, w.values + d, head_dim, keep, out + d);
  for (; d < head_dim; d += 16) Outputs<H, 1>(scores, keys, w.values + d, head_dim, keep, out + d);
}

void RowBlock(const AttentionArgs& a, const Work& w, size_t row, size_t keys) {
  size_t h = 0;
  for (; h + 4 <= a.heads; h += 4) HeadsBlock<4>(w, row * a.heads + h, keys, a.head_dim);
  for (; h < a.heads; ++h) HeadsBlock<1>(w, row * a.heads + h, keys, a.head_dim);
}

void Finish(const AttentionArgs& a, const Work& w) {
  for (size_t at = 0; at < a.rows * a.heads; ++at) {
    float* out = a.out + at / a.heads * a.stride + at % a.heads * a.head_dim;
    const __m512 inverse = _mm512_set1_ps(1.0f / SumLanesAvx512(_mm512_load_ps(w.lanes + at * 16)));
    for (size_t d = 0; d < a.head_dim; d += 16) {
      _mm512_storeu_ps(out + d, _mm512_mul_ps(_mm512_load_ps(w.out + at * a.head_dim + d), inverse));
    }
  }
}

}  // namespace

void attention_4x64_avx512vnni(const AttentionArgs& a) {
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
