// SPDX-License-Identifier: Apache-2.0
// attention with 16 keys (scores) or 16 dimensions (output) side by side, four query heads at a time: 4 heads x 4 registers
// are 16 independent fma chains, enough to hide a latency of 4 at two a cycle; each key or value load serves four heads.
// A block's keys and values are widened to f32 once for all rows of the call: 2 x 16 KB at head dimension 64, L1-sized.
// 16 accumulators, 4 keys or values and a broadcast: 21 of 32 registers.
#include "kernels/attention/blocks.h"
#include "kernels/math/avx512.h"

namespace lg {
namespace {

LG_ALWAYS_INLINE __m512 Load16(const float* from) { return _mm512_loadu_ps(from); }
LG_ALWAYS_INLINE __m512 Load16(const uint16_t* from) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))); }

template <int H, int V, typename Element>
LG_ALWAYS_INLINE void AddProducts(const Products<Element>& p, __m512 (&acc)[H][V]) {
  for (size_t i = 0; i < p.count; ++i) {
    PrefetchNext<16 * V>(p, i);
    __m512 values[V];
    LG_UNROLL
    for (int v = 0; v < V; ++v) values[v] = Load16(p.values + i * p.value_stride + 16 * v);
    LG_UNROLL
    for (int h = 0; h < H; ++h) {
      const __m512 one = _mm512_set1_ps(p.numbers[h * p.number_stride + i]);
      LG_UNROLL
      for (int v = 0; v < V; ++v) acc[h][v] = _mm512_fmadd_ps(one, values[v], acc[h][v]);
    }
  }
}

// Scores of H heads against 16 * V keys from key j on.
template <int H, int V, typename Element>
LG_ALWAYS_INLINE void ScoresOf(const float* q, size_t head_dim, const BlockPart<Element>& keys, size_t j, float* scores) {
  __m512 acc[H][V];
  LG_UNROLL
  for (int h = 0; h < H; ++h) {
    LG_UNROLL
    for (int v = 0; v < V; ++v) acc[h][v] = _mm512_setzero_ps();
  }
  AddProducts<H, V, Element>({q, head_dim, keys.data + j, kKeyBlock, head_dim, keys.next + j * head_dim}, acc);
  LG_UNROLL
  for (int h = 0; h < H; ++h) {
    LG_UNROLL
    for (int v = 0; v < V; ++v) _mm512_store_ps(scores + h * kKeyBlock + j + 16 * v, acc[h][v]);
  }
}

// out = out * keep + probabilities x values, H heads x 16 * V dimensions from dimension d on.
template <int H, int V, typename Element>
LG_ALWAYS_INLINE void OutputsOf(const float* p, const BlockPart<Element>& values, size_t head_dim, size_t d, const float* keep, float* out) {
  __m512 acc[H][V];
  LG_UNROLL
  for (int h = 0; h < H; ++h) {
    LG_UNROLL
    for (int v = 0; v < V; ++v) acc[h][v] = _mm512_mul_ps(_mm512_load_ps(out + h * head_dim + d + 16 * v), _mm512_set1_ps(keep[h]));
  }
  AddProducts<H, V, Element>({p, kKeyBlock, values.data + d, head_dim, values.count, values.next + d * kKeyBlock}, acc);
  LG_UNROLL
  for (int h = 0; h < H; ++h) {
    LG_UNROLL
    for (int v = 0; v < V; ++v) _mm512_store_ps(out + h * head_dim + d + 16 * v, acc[h][v]);
  }
}

// V registers of scores, of which the last has the keys of `mask`.
template <int V>
LG_ALWAYS_INLINE void ProbabilitiesOf(float* scores, __mmask16 mask, float max, float keep, float* lanes) {
  __m512 p[V];
  LG_UNROLL
  for (int v = 0; v < V; ++v) p[v] = ExpAvx512(_mm512_sub_ps(_mm512_load_ps(scores + 16 * v), _mm512_set1_ps(max)));
  p[V - 1] = _mm512_maskz_mov_ps(mask, p[V - 1]);
  __m512 sums = _mm512_mul_ps(_mm512_load_ps(lanes), _mm512_set1_ps(keep));
  LG_UNROLL
  for (int v = 0; v < V; ++v) {
    _mm512_store_ps(scores + 16 * v, p[v]);
    sums = _mm512_add_ps(sums, p[v]);
  }
  _mm512_store_ps(lanes, sums);
}

struct Avx512Vnni {
  static LG_ALWAYS_INLINE void Widen(const uint16_t* from, float* to) {
    _mm512_store_ps(to, Load16(from));
  }

  template <int H, typename Element>
  static LG_ALWAYS_INLINE void Scores(const float* q, size_t head_dim, const BlockPart<Element>& keys, float* scores) {
    if (keys.count > 48) {
      ScoresOf<H, 4>(q, head_dim, keys, 0, scores);
    } else {
      for (size_t j = 0; j < keys.count; j += 16) ScoresOf<H, 1>(q, head_dim, keys, j, scores);
    }
  }

  static LG_ALWAYS_INLINE float Max(const float* scores, size_t count, float max) {
    __m512 maxima = _mm512_set1_ps(max);
    for (size_t j = 0; j < count; j += 16) maxima = _mm512_mask_max_ps(maxima, TailMask16(count - j), maxima, _mm512_load_ps(scores + j));
    return _mm512_reduce_max_ps(maxima);  // a maximum is the same in any order
  }

  static LG_ALWAYS_INLINE void Exp16(float* x) { _mm512_store_ps(x, ExpAvx512(_mm512_load_ps(x))); }

  static LG_ALWAYS_INLINE void Probabilities(float* scores, size_t count, float max, float keep, float* lanes) {
    if (count == kKeyBlock) return ProbabilitiesOf<4>(scores, 0xffff, max, keep, lanes);
    switch ((count - 1) / 16) {
      case 0: return ProbabilitiesOf<1>(scores, TailMask16(count), max, keep, lanes);
      case 1: return ProbabilitiesOf<2>(scores, TailMask16(count - 16), max, keep, lanes);
      case 2: return ProbabilitiesOf<3>(scores, TailMask16(count - 32), max, keep, lanes);
      default: return ProbabilitiesOf<4>(scores, TailMask16(count - 48), max, keep, lanes);
    }
  }

  template <int H, typename Element>
  static LG_ALWAYS_INLINE void Outputs(const float* p, const BlockPart<Element>& values, size_t head_dim, const float* keep, float* out) {
    size_t d = 0;
    for (; d + 64 <= head_dim; d += 64) OutputsOf<H, 4>(p, values, head_dim, d, keep, out);
    for (; d < head_dim; d += 16) OutputsOf<H, 1>(p, values, head_dim, d, keep, out);
  }
};

}  // namespace

void attention_4x64_avx512vnni(const AttentionArgs& a) { RunAttention<Avx512Vnni>(a); }

}  // namespace lg
