// SPDX-License-Identifier: Apache-2.0
// attention with 16 keys (scores) or 16 dimensions (output) side by side in two registers, four query heads at a time:
// 8 independent fma chains hide a latency of 4 at two a cycle, and with 2 key or value loads and a broadcast they fit the
// 16 registers. A block's keys and values are widened to f32 once for all rows of the call.
#include "kernels/attention/blocks.h"
#include "kernels/math/avx2.h"

namespace lg {
namespace {

LG_ALWAYS_INLINE __m256 Load8(const float* from) { return _mm256_loadu_ps(from); }
LG_ALWAYS_INLINE __m256 Load8(const uint16_t* from) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))); }

template <int H, typename Element>
LG_ALWAYS_INLINE void AddProducts(const Products<Element>& p, __m256 (&acc)[H][2]) {
  for (size_t i = 0; i < p.count; ++i) {
    PrefetchNext<16>(p, i);
    const __m256 first = Load8(p.values + i * p.value_stride);
    const __m256 second = Load8(p.values + i * p.value_stride + 8);
    LG_UNROLL
    for (int h = 0; h < H; ++h) {
      const __m256 one = _mm256_set1_ps(p.numbers[h * p.number_stride + i]);
      acc[h][0] = _mm256_fmadd_ps(one, first, acc[h][0]);
      acc[h][1] = _mm256_fmadd_ps(one, second, acc[h][1]);
    }
  }
}

// The scores of keys j .. j + 7 as probabilities, in place.
LG_ALWAYS_INLINE __m256 Probabilities8(float* scores, __m256 max) {
  const __m256 p = ExpAvx2(_mm256_sub_ps(_mm256_loadu_ps(scores), max));
  _mm256_storeu_ps(scores, p);
  return p;
}

// The same; 0 for keys from `count` on, which may be negative.
LG_ALWAYS_INLINE __m256 SomeProbabilities8(float* scores, ptrdiff_t count, __m256 max) {
  const __m256 p = _mm256_and_ps(ExpAvx2(_mm256_sub_ps(_mm256_loadu_ps(scores), max)), _mm256_castsi256_ps(TailMask8(count)));
  _mm256_storeu_ps(scores, p);
  return p;
}

struct Avx2 {
  static LG_ALWAYS_INLINE void Widen(const uint16_t* from, float* to) {
    for (int half = 0; half < 16; half += 8) _mm256_storeu_ps(to + half, Load8(from + half));
  }

  template <int H, typename Element>
  static LG_ALWAYS_INLINE void Scores(const float* q, size_t head_dim, const BlockPart<Element>& keys, float* scores) {
    for (size_t j = 0; j < keys.count; j += 16) {
      __m256 acc[H][2];
      LG_UNROLL
      for (int h = 0; h < H; ++h) acc[h][0] = acc[h][1] = _mm256_setzero_ps();
      AddProducts<H, Element>({q, head_dim, keys.data + j, kKeyBlock, head_dim, keys.next + j * head_dim}, acc);
      LG_UNROLL
      for (int h = 0; h < H; ++h) {
        _mm256_storeu_ps(scores + h * kKeyBlock + j, acc[h][0]);
        _mm256_storeu_ps(scores + h * kKeyBlock + j + 8, acc[h][1]);
      }
    }
  }

  static LG_ALWAYS_INLINE float Max(const float* scores, size_t count, float max) {
    __m256 maxima = _mm256_set1_ps(max);
    for (size_t j = 0; j < count; j += 8) {
      const __m256 mask = _mm256_castsi256_ps(TailMask8(static_cast<ptrdiff_t>(count - j)));
      maxima = _mm256_max_ps(_mm256_blendv_ps(maxima, _mm256_loadu_ps(scores + j), mask), maxima);
    }
    return MaxLaneAvx2(maxima);
  }

  static LG_ALWAYS_INLINE void Exp16(float* x) {
    for (int half = 0; half < 16; half += 8) _mm256_storeu_ps(x + half, ExpAvx2(_mm256_loadu_ps(x + half)));
  }

  static LG_ALWAYS_INLINE void Probabilities(float* scores, size_t count, float max, float keep, float* lanes) {
    __m256 first = _mm256_mul_ps(_mm256_loadu_ps(lanes), _mm256_set1_ps(keep));
    __m256 second = _mm256_mul_ps(_mm256_loadu_ps(lanes + 8), _mm256_set1_ps(keep));
    size_t j = 0;
    for (; j + 16 <= count; j += 16) {
      first = _mm256_add_ps(first, Probabilities8(scores + j, _mm256_set1_ps(max)));
      second = _mm256_add_ps(second, Probabilities8(scores + j + 8, _mm256_set1_ps(max)));
    }
    if (j < count) {
      const ptrdiff_t rest = static_cast<ptrdiff_t>(count - j);
      first = _mm256_add_ps(first, SomeProbabilities8(scores + j, rest, _mm256_set1_ps(max)));
      second = _mm256_add_ps(second, SomeProbabilities8(scores + j + 8, rest - 8, _mm256_set1_ps(max)));
    }
    _mm256_storeu_ps(lanes, first);
    _mm256_storeu_ps(lanes + 8, second);
  }

  template <int H, typename Element>
  static LG_ALWAYS_INLINE void Outputs(const float* p, const BlockPart<Element>& values, size_t head_dim, const float* keep, float* out) {
    for (size_t d = 0; d < head_dim; d += 16) {
      __m256 acc[H][2];
      LG_UNROLL
      for (int h = 0; h < H; ++h) {
        const __m256 factor = _mm256_set1_ps(keep[h]);
        acc[h][0] = _mm256_mul_ps(_mm256_loadu_ps(out + h * head_dim + d), factor);
        acc[h][1] = _mm256_mul_ps(_mm256_loadu_ps(out + h * head_dim + d + 8), factor);
      }
      AddProducts<H, Element>({p, kKeyBlock, values.data + d, head_dim, values.count, values.next + d * kKeyBlock}, acc);
      LG_UNROLL
      for (int h = 0; h < H; ++h) {
        _mm256_storeu_ps(out + h * head_dim + d, acc[h][0]);
        _mm256_storeu_ps(out + h * head_dim + d + 8, acc[h][1]);
      }
    }
  }
};

}  // namespace

void attention_4x64_avx2(const AttentionArgs& a) { RunAttention<Avx2>(a); }

}  // namespace lg
