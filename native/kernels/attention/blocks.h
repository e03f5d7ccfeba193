// SPDX-License-Identifier: Apache-2.0
// What every vector kernel of attention shares: the scratch memory, and the walk over blocks, rows and heads.
// An instruction set gives `Ops`, a struct of an anonymous namespace with
//   Widen(from, to)                                             16 halves to floats
//   Scores<H>(q, head_dim, keys, count, scores)                 H heads against `count` keys, rounded up to 16
//   Probabilities(scores, count, max, lanes)                    in place; the factor for what was summed before
//   Outputs<H>(p, count, values, head_dim, keep, out)           out = out * keep + p x values, H heads
// where keys and values are float or, for a single row, halves as they lie in the cache.
// All of it has internal linkage: a kernel file must define no symbol that another file could pick up.
#pragma once

#include "kernels/attention/attention.h"
#include "kernels/math/scalar.h"

namespace lg {

// Views into the scratch memory; `at` counts (row, head) pairs.
struct AttentionWork {
  float* keys;    // [head_dim][64]
  float* values;  // [64][head_dim]
  float* scores;  // [at][64]
  float* q;       // [at][head_dim], scaled
  float* out;     // [at][head_dim]
  float* lanes;   // [at][16]
  float* max;     // [at]
};

// A sum over `count` steps of one number per head times 16 * V values: acc[h] = fma(numbers[h][i], values[i], acc[h]). For
// scores the steps are dimensions and the values keys; for outputs the steps are keys and the values dimensions.
template <typename Element>
struct Products {
  const float* numbers;  // head h, step i at numbers + h * number_stride + i
  size_t number_stride;
  const Element* values;  // step i at values + i * value_stride
  size_t value_stride;
  size_t count;
};

static inline AttentionWork DivideScratch(const AttentionArgs& a) {
  const size_t block = kKeyBlock * a.head_dim, pairs = a.rows * a.heads;
  AttentionWork w;
  w.keys = a.scratch;
  w.values = w.keys + block;
  w.scores = w.values + block;
  w.q = w.scores + pairs * kKeyBlock;
  w.out = w.q + pairs * a.head_dim;
  w.lanes = w.out + pairs * a.head_dim;
  w.max = w.lanes + pairs * kLanes;
  return w;
}

static inline void StartAttention(const AttentionArgs& a, const AttentionWork& w) {
  for (size_t at = 0; at < a.rows * a.heads; ++at) {
    const float* q = a.q + at / a.heads * a.stride + at % a.heads * a.head_dim;
    for (size_t d = 0; d < a.head_dim; ++d) {
      w.q[at * a.head_dim + d] = q[d] * a.scale;
      w.out[at * a.head_dim + d] = 0.0f;
    }
    for (size_t lane = 0; lane < kLanes; ++lane) w.lanes[at * kLanes + lane] = 0.0f;
    w.max[at] = kScoreFloor;
  }
}

static inline void FinishAttention(const AttentionArgs& a, const AttentionWork& w) {
  for (size_t at = 0; at < a.rows * a.heads; ++at) {
    float* out = a.out + at / a.heads * a.stride + at % a.heads * a.head_dim;
    const float inverse = 1.0f / SumLanesScalar(w.lanes + at * kLanes);
    for (size_t d = 0; d < a.head_dim; ++d) out[d] = w.out[at * a.head_dim + d] * inverse;
  }
}

template <typename Ops>
static void WidenBlock(const AttentionArgs& a, size_t block, size_t keys, const AttentionWork& w) {
  for (size_t d = 0; d < a.head_dim; ++d) {
    for (size_t j = 0; j < keys; j += 16) Ops::Widen(a.keys[block] + d * kKeyBlock + j, w.keys + d * kKeyBlock + j);
  }
  for (size_t i = 0; i < keys * a.head_dim; i += 16) Ops::Widen(a.values[block] + i, w.values + i);
}

// H heads of one row, from pair `at`, against the first `count` keys of one block.
template <typename Ops, int H, typename Element>
static void HeadsBlock(const AttentionWork& w, size_t at, const Element* keys, const Element* values, size_t count, size_t head_dim) {
  float* scores = w.scores + at * kKeyBlock;
  Ops::template Scores<H>(w.q + at * head_dim, head_dim, keys, count, scores);
  float keep[H];
  for (int h = 0; h < H; ++h) {
    keep[h] = Ops::Probabilities(scores + h * kKeyBlock, count, w.max + at + h, w.lanes + (at + h) * kLanes);
  }
  Ops::template Outputs<H>(scores, count, values, head_dim, keep, w.out + at * head_dim);
}

// Four heads at a time share each load of a key or value.
template <typename Ops, typename Element>
static void RowBlock(const AttentionArgs& a, const AttentionWork& w, size_t row, const Element* keys, const Element* values, size_t count) {
  size_t h = 0;
  for (; h + 4 <= a.heads; h += 4) HeadsBlock<Ops, 4>(w, row * a.heads + h, keys, values, count, a.head_dim);
  for (; h < a.heads; ++h) HeadsBlock<Ops, 1>(w, row * a.heads + h, keys, values, count, a.head_dim);
}

static inline size_t KeysOfBlock(size_t first, size_t end) { return end - first < kKeyBlock ? end - first : kKeyBlock; }

template <typename Ops>
static void RunAttention(const AttentionArgs& a) {
  const AttentionWork w = DivideScratch(a);
  StartAttention(a, w);
  const size_t all_keys = a.first_position + a.rows;
  for (size_t first = 0; first < all_keys; first += kKeyBlock) {
    const size_t block = first / kKeyBlock;
    if (a.rows == 1) {  // widening would serve this row alone, and cost a store and a load of every number
      RowBlock<Ops>(a, w, 0, a.keys[block], a.values[block], KeysOfBlock(first, all_keys));
      continue;
    }
    WidenBlock<Ops>(a, block, KeysOfBlock(first, all_keys), w);
    for (size_t row = 0; row < a.rows; ++row) {
      const size_t end = a.first_position + row + 1;  // keys that this row may see
      if (end > first) RowBlock<Ops>(a, w, row, static_cast<const float*>(w.keys), static_cast<const float*>(w.values), KeysOfBlock(first, end));
    }
  }
  FinishAttention(a, w);
}

}  // namespace lg
