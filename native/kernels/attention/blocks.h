// SPDX-License-Identifier: Apache-2.0
// What every vector kernel of attention shares: the scratch memory, and the walk over runs, blocks, rows and heads.
// An instruction set gives `Ops`, a struct of an anonymous namespace, where P pairs of a row and a head follow one another:
//   Widen(from, to)                                   16 halves to floats
//   Scores<P>(q, head_dim, keys, scores)              P queries against the keys of a block, rounded up to 16
//   Max(scores, count, max)                           the largest of `max` and the scores
//   Exp16(x)                                          16 floats in place
//   Probabilities(scores, count, max, keep, lanes)    exp(score - max) in place, added to lanes * keep
//   Outputs<P>(p, values, head_dim, keep, out)        out = out * keep + p x values
// where keys and values are a BlockPart of floats or, for a single row, of halves as they lie in the cache.
// All of it has internal linkage: a kernel file must define no symbol that another file could pick up.
#pragma once

#include "kernels/attention/attention.h"
#include "kernels/math/scalar.h"

namespace lg {

// Views into the scratch memory. Pairs are counted over the rows of all runs, those of a step from its first row.
struct AttentionWork {
  float* keys;    // [head_dim][64]
  float* values;  // [64][head_dim]
  float* scores;  // [pair of a step][64]
  float* keep;    // [pair of a step]   what the sums before this block are multiplied with
  float* q;       // [pair][head_dim]   scaled
  float* out;     // [pair][head_dim]
  float* lanes;   // [pair][16]
  float* max;     // [pair]
};

// A sum over `count` steps of one number per pair times 16 * V values: acc[p] = fma(numbers[p][i], values[i], acc[p]). For
// scores the steps are dimensions and the values keys; for outputs the steps are keys and the values dimensions.
template <typename Element>
struct Products {
  const float* numbers;  // pair p, step i at numbers + p * number_stride + i
  size_t number_stride;
  const Element* values;  // step i at values + i * value_stride
  size_t value_stride;
  size_t count;
  const Element* next;  // see PrefetchNext
};

// The keys [head_dim][64] and values [64][head_dim] of a block; what is read after them lies at `next`.
template <typename Element>
struct Block {
  const Element* keys;
  const Element* values;
  const Element* next;
};

// The keys or the values of a block, of which `count` are seen; what is read after them lies at `next`.
template <typename Element>
struct BlockPart {
  const Element* data;
  size_t count;
  const Element* next;
};

// Step i of a product of Width values asks for as many of those that are read next: halves come from memory, a few KiB here
// and there, which is too little for the processor's own prefetchers. Into the second-level cache: on a Zen 4 prefetches into
// the first, which has fewer places for misses, gained nothing.
template <size_t Width>
static LG_ALWAYS_INLINE void PrefetchNext(const Products<uint16_t>& p, size_t i) {
  constexpr size_t kLine = 64 / sizeof(uint16_t);
  LG_UNROLL
  for (size_t at = 0; at < Width; at += kLine) __builtin_prefetch(p.next + i * Width + at, 0, 2);
}
template <size_t Width>
static LG_ALWAYS_INLINE void PrefetchNext(const Products<float>&, size_t) {}  // just widened

// Consecutive rows of the scratch memory that meet one block: row first + i sees the first min(64, visible + i) keys.
struct SeeingRows {
  size_t first, count, visible;
};

template <int N>
struct Constant {
  static constexpr int value = N;
};

static inline AttentionWork DivideScratch(const AttentionArgs& a, size_t rows) {
  const size_t block = kKeyBlock * a.head_dim, pairs = rows * a.heads, of_step = PairsOfStep(a.heads);
  AttentionWork w;
  w.keys = a.scratch;
  w.values = w.keys + block;
  w.scores = w.values + block;
  w.keep = w.scores + of_step * kKeyBlock;
  w.q = w.keep + of_step;
  w.out = w.q + pairs * a.head_dim;
  w.lanes = w.out + pairs * a.head_dim;
  w.max = w.lanes + pairs * kLanes;
  return w;
}

static inline void StartRun(const AttentionArgs& a, const AttentionRun& run, size_t first_row, const AttentionWork& w) {
  for (size_t i = 0; i < run.rows * a.heads; ++i) {
    const size_t pair = first_row * a.heads + i;
    const float* q = run.q + i / a.heads * a.stride + i % a.heads * a.head_dim;
    for (size_t d = 0; d < a.head_dim; ++d) {
      w.q[pair * a.head_dim + d] = q[d] * a.scale;
      w.out[pair * a.head_dim + d] = 0.0f;
    }
    for (size_t lane = 0; lane < kLanes; ++lane) w.lanes[pair * kLanes + lane] = 0.0f;
    w.max[pair] = kScoreFloor;
  }
}

static inline void FinishRun(const AttentionArgs& a, const AttentionRun& run, size_t first_row, const AttentionWork& w) {
  for (size_t i = 0; i < run.rows * a.heads; ++i) {
    const size_t pair = first_row * a.heads + i;
    float* out = run.out + i / a.heads * a.stride + i % a.heads * a.head_dim;
    const float inverse = 1.0f / SumLanesScalar(w.lanes + pair * kLanes);
    for (size_t d = 0; d < a.head_dim; ++d) out[d] = w.out[pair * a.head_dim + d] * inverse;
  }
}

template <typename Ops>
static void WidenBlock(const AttentionArgs& a, const AttentionRun& run, size_t block, size_t count, const AttentionWork& w) {
  const uint16_t* const keys = KeysOf(a, run, block);
  const uint16_t* const values = ValuesOf(a, run, block);
  for (size_t d = 0; d < a.head_dim; ++d) {
    for (size_t j = 0; j < count; j += 16) Ops::Widen(keys + d * kKeyBlock + j, w.keys + d * kKeyBlock + j);
  }
  for (size_t i = 0; i < count * a.head_dim; i += 16) Ops::Widen(values + i, w.values + i);
}

// Cuts the pairs of a step into tiles: visit(first pair, keys that its pairs see, pairs as a Constant). The pairs of a tile
// see the same keys: in a block that all rows see in full any pairs, otherwise heads of one row.
template <typename Visit>
static LG_ALWAYS_INLINE void ForEachTile(const SeeingRows& rows, size_t heads, const Visit& visit) {
  const bool full = rows.visible >= kKeyBlock;
  const size_t groups = full ? 1 : rows.count, size = full ? rows.count * heads : heads;
  for (size_t group = 0; group < groups; ++group) {
    const size_t count = Least(kKeyBlock, rows.visible + group), end = (group + 1) * size;
    size_t pair = group * size;
    for (; pair + 4 <= end; pair += 4) visit(pair, count, Constant<4>());
    for (; pair < end; ++pair) visit(pair, count, Constant<1>());
  }
}

// All scores of a step, then all probabilities, then all outputs: the latencies of one pair hide behind other pairs.
template <typename Ops, typename Element>
static void AddStep(const AttentionArgs& a, const AttentionWork& w, const SeeingRows& rows, const Block<Element>& block) {
  const size_t dim = a.head_dim, first = rows.first * a.heads, pairs = rows.count * a.heads;
  float* const max = w.max + first;
  ForEachTile(rows, a.heads, [&](size_t pair, size_t count, auto tile) {
    Ops::template Scores<tile.value, Element>(w.q + (first + pair) * dim, dim, {block.keys, count, block.values}, w.scores + pair * kKeyBlock);
  });
  const auto seen = [&](size_t pair) { return Least(kKeyBlock, rows.visible + pair / a.heads); };
  for (size_t pair = 0; pair < pairs; ++pair) {
    const float before = max[pair];
    max[pair] = Ops::Max(w.scores + pair * kKeyBlock, seen(pair), before);
    w.keep[pair] = before - max[pair];
  }
  for (size_t pair = 0; pair < pairs; pair += 16) Ops::Exp16(w.keep + pair);
  for (size_t pair = 0; pair < pairs; ++pair) {
    Ops::Probabilities(w.scores + pair * kKeyBlock, seen(pair), max[pair], w.keep[pair], w.lanes + (first + pair) * kLanes);
  }
  ForEachTile(rows, a.heads, [&](size_t pair, size_t count, auto tile) {
    Ops::template Outputs<tile.value, Element>(w.scores + pair * kKeyBlock, {block.values, count, block.next}, dim, w.keep + pair, w.out + (first + pair) * dim);
  });
}

template <typename Ops, typename Element>
static void AddRows(const AttentionArgs& a, const AttentionWork& w, const SeeingRows& rows, const Block<Element>& block) {
  const size_t step = RowsOfStep(a.heads);
  for (size_t i = 0; i < rows.count; i += step) {
    AddStep<Ops>(a, w, {rows.first + i, Least(step, rows.count - i), rows.visible + i}, block);
  }
}

template <typename Ops>
static void AddBlock(const AttentionArgs& a, const AttentionWork& w, const AttentionRun& run, size_t block, const SeeingRows& rows) {
  if (rows.count == 1) {  // widening would serve this row alone, and cost a store and a load of every number
    const bool last = (block + 1) * kKeyBlock >= run.first_position + run.rows;
    const uint16_t* const next = last ? KeysOf(a, run, 0) + 2 * kKeyBlock * a.head_dim : KeysOf(a, run, block + 1);  // last: of the next head
    AddRows<Ops, uint16_t>(a, w, rows, {KeysOf(a, run, block), ValuesOf(a, run, block), next});
    return;
  }
  WidenBlock<Ops>(a, run, block, Least(kKeyBlock, rows.visible + rows.count - 1), w);
  AddRows<Ops, float>(a, w, rows, {w.keys, w.values, w.keys});
}

// A run against the blocks that it does not share.
template <typename Ops>
static void AddOwnBlocks(const AttentionArgs& a, const AttentionWork& w, const AttentionRun& run, size_t first_row) {
  for (size_t block = a.shared_blocks; block * kKeyBlock < run.first_position + run.rows; ++block) {
    const size_t first = block * kKeyBlock;
    const size_t before = first > run.first_position ? first - run.first_position : 0;  // rows that see none of it
    AddBlock<Ops>(a, w, run, block, {first_row + before, run.rows - before, run.first_position + before + 1 - first});
  }
}

template <typename Ops>
static void RunAttention(const AttentionArgs& a) {
  const size_t rows = RowsOfRuns(a);
  const AttentionWork w = DivideScratch(a, rows);
  for (size_t i = 0, row = 0; i < a.run_count; row += a.runs[i++].rows) StartRun(a, a.runs[i], row, w);
  for (size_t block = 0; block < a.shared_blocks; ++block) AddBlock<Ops>(a, w, a.runs[0], block, {0, rows, kKeyBlock});
  for (size_t i = 0, row = 0; i < a.run_count; row += a.runs[i++].rows) AddOwnBlocks<Ops>(a, w, a.runs[i], row);
  for (size_t i = 0, row = 0; i < a.run_count; row += a.runs[i++].rows) FinishRun(a, a.runs[i], row, w);
}

}  // namespace lg
