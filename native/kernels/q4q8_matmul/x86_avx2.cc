// SPDX-License-Identifier: Apache-2.0
// q4q8_matmul with vpmaddubsw. A panel is two registers of 8 outputs; weights are the unsigned operand (0..15), activations
// the signed one, broadcast four at a time.
//
// No saturation: one vpmaddubsw result is a sum of two products, at most 2 * 15 * 128 = 3840 in magnitude. Four steps add
// 8 of them in int16, at most 30720 < 32767; then one vpmaddwd by ones widens to int32. So widening costs a quarter of what
// it would cost step by step. Every group (32 to 256 inputs) is a whole number of four-step runs.
//
// 4x16 tile: 4 rows x 2 registers of int16 sums, 2 registers of unpacked weights, the nibble mask, one broadcast and one
// product: 13 of 16, some room for the compiler. The int32 sums and the floats wait in L1: they are touched once in four
// steps and once a group. Five and six rows measured slower. One or two rows are bound by memory: they prefetch.
#include <immintrin.h>
#include <string.h>

#include "base/arch.h"
#include "kernels/q4q8_matmul/q4q8_matmul.h"

namespace lg {
namespace {

constexpr int kRunSteps = 4;  // steps whose sums int16 holds

LG_ALWAYS_INLINE __m256i Broadcast4(const int8_t* q) {
  int32_t four;
  memcpy(&four, q, sizeof four);
  return _mm256_set1_epi32(four);
}

LG_ALWAYS_INLINE __m256i LoadWeights(const uint8_t* w) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w)); }

LG_ALWAYS_INLINE __m256 LoadScales(const PanelMatrix& b, size_t cell) {
  if (b.group >= 128) return _mm256_loadu_ps(reinterpret_cast<const float*>(b.scales) + cell);
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b.scales + 2 * cell)));
}

// Per output the pair (sum of w, -8) in int16, the partner of Q8Rows::corr in vpmaddwd.
LG_ALWAYS_INLINE __m256i LoadSumPairs(const PanelMatrix& b, size_t cell) {
  const __m256i sums = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b.sums + cell)));
  return _mm256_or_si256(sums, _mm256_set1_epi32(static_cast<int>(0xfff80000u)));
}

// Adds to int16 sums. The empty asm keeps the compiler from regrouping the chain of additions, which takes more registers
// than there are: without it gcc 12 spills, and the tile runs at 0.6 of the speed.
LG_ALWAYS_INLINE void Accumulate(__m256i weights, __m256i q, __m256i* acc) {
  *acc = _mm256_add_epi16(*acc, _mm256_maddubs_epi16(weights, q));
  __asm__("" : "+x"(*acc));
}

// Adds one step of 8 inputs to the int16 sums of R rows: the low nibbles first, so that two weight registers live at a time.
template <int R>
LG_ALWAYS_INLINE void AddStep(const int8_t* q, size_t q_stride, const uint8_t* w, __m256i (&acc)[R][2]) {
  const __m256i low_nibbles = _mm256_set1_epi8(15);
  const __m256i low0 = _mm256_and_si256(LoadWeights(w), low_nibbles);
  const __m256i low1 = _mm256_and_si256(LoadWeights(w + 32), low_nibbles);
  for (int r = 0; r < R; ++r) {
    const __m256i first = Broadcast4(q + r * q_stride);
    Accumulate(low0, first, &acc[r][0]);
    Accumulate(low1, first, &acc[r][1]);
  }
  const __m256i high0 = _mm256_and_si256(_mm256_srli_epi16(LoadWeights(w), 4), low_nibbles);
  const __m256i high1 = _mm256_and_si256(_mm256_srli_epi16(LoadWeights(w + 32), 4), low_nibbles);
  for (int r = 0; r < R; ++r) {
    const __m256i second = Broadcast4(q + r * q_stride + 4);
    Accumulate(high0, second, &acc[r][0]);
    Accumulate(high1, second, &acc[r][1]);
  }
}

// R rows x one panel over all of k.
template <int R>
LG_ALWAYS_INLINE void Tile(const Q4Q8MatmulArgs& a, size_t row, size_t panel, float* c) {
  const PanelMatrix& b = a.b;
  const size_t groups = b.k / b.group;
  const int8_t* q = a.a.q + row * a.a.q_stride;
  const uint8_t* w = b.q4 + panel * PanelBytes(b.k);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256 totals[R][2];
  for (int r = 0; r < R; ++r) totals[r][0] = totals[r][1] = _mm256_setzero_ps();
  for (size_t g = 0; g < groups; ++g) {
    const size_t cell = (panel * groups + g) * kPanelRows;
    __m256i sums[R][2];
    for (int r = 0; r < R; ++r) {
      const __m256i corr = _mm256_set1_epi32(a.a.corr[(row + r) * a.a.corr_stride + g]);
      for (int h = 0; h < 2; ++h) sums[r][h] = _mm256_madd_epi16(LoadSumPairs(b, cell + 8 * h), corr);
    }
    for (size_t run = 0; run < b.group / (kRunSteps * kStepInputs); ++run) {
      __m256i acc[R][2];
      for (int r = 0; r < R; ++r) acc[r][0] = acc[r][1] = _mm256_setzero_si256();
      for (int step = 0; step < kRunSteps; ++step, q += kStepInputs, w += kStepBytes) {
        if (R <= 2) _mm_prefetch(reinterpret_cast<const char*>(w + 2048), _MM_HINT_T0);
        AddStep<R>(q, a.a.q_stride, w, acc);
      }
      for (int r = 0; r < R; ++r) {
        for (int h = 0; h < 2; ++h) sums[r][h] = _mm256_add_epi32(sums[r][h], _mm256_madd_epi16(acc[r][h], ones));
      }
    }
    for (int h = 0; h < 2; ++h) {
      const __m256 scales = LoadScales(b, cell + 8 * h);
      for (int r = 0; r < R; ++r) totals[r][h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[r][h]), scales, totals[r][h]);
    }
  }
  for (int r = 0; r < R; ++r) {
    const __m256 inv = _mm256_set1_ps(a.a.inv[row + r]);
    for (int h = 0; h < 2; ++h) _mm256_storeu_ps(c + r * a.c_stride + 8 * h, _mm256_mul_ps(totals[r][h], inv));
  }
}

using TileFn = void (*)(const Q4Q8MatmulArgs&, size_t row, size_t panel, float* c);
template <int R>
void TileOf(const Q4Q8MatmulArgs& a, size_t row, size_t panel, float* c) {
  Tile<R>(a, row, panel, c);
}

constexpr size_t kMaxRows = 4;
constexpr TileFn kTiles[kMaxRows] = {TileOf<1>, TileOf<2>, TileOf<3>, TileOf<4>};

}  // namespace

// Panel after panel, so that matrix-vector reads one stream; all rows over a panel, in tiles of nearly equal height.
void q4q8_matmul_4x16_avx2(const Q4Q8MatmulArgs& a) {
  const size_t count = (a.m + kMaxRows - 1) / kMaxRows;
  for (size_t p = 0; p < a.panel_count; ++p) {
    for (size_t t = 0, row = 0; t < count; ++t) {
      const size_t height = (a.m - row + (count - t) - 1) / (count - t);
      kTiles[height - 1](a, row, a.first_panel + p, a.c + row * a.c_stride + p * kPanelRows);
      row += height;
    }
  }
}

}  // namespace lg
