// SPDX-License-Identifier: Apache-2.0
// q4q8_matmul with vpdpbusd. A panel is one register of 16 outputs; weights are the unsigned operand (0..15), activations
// the signed one, broadcast four at a time. vpdpbusd does not saturate: four products of at most 15 * 128 fit int32.
//
// 8x32 tile: 8 rows x 2 panels = 16 accumulators, 4 registers of unpacked weights, the nibble mask and one broadcast: 22 of
// 32. A step of 8 inputs is 2 weight loads, 6 unpack operations and 16 broadcasts for 32 vpdpbusd, so that the multiplier
// is the bound. Taller tiles measured no faster, and from 11 rows on gcc 12 spills accumulators. The float accumulators wait
// in L1: they are touched once a group.
#include <string.h>

#include "kernels/q4q8_matmul/avx512.h"
#include "kernels/q4q8_matmul/tiles.h"

namespace lg {
namespace {

LG_ALWAYS_INLINE __m512i Broadcast4(const int8_t* q) {
  int32_t four;
  memcpy(&four, q, sizeof four);
  return _mm512_set1_epi32(four);
}

// R rows x P panels over all of k; P panels follow one another at `panel`.
template <int R, int P>
LG_ALWAYS_INLINE void Tile(const Q4Q8MatmulArgs& a, size_t row, size_t panel, float* c) {
  const PanelMatrix& b = a.b;
  const size_t groups = b.k / b.group, panel_bytes = PanelBytes(b.k);
  const __m512i low_nibbles = _mm512_set1_epi8(15);
  constexpr int kChains = R * P <= 4 ? 2 : 1;  // few sums: low and high nibbles apart, since vpdpbusd waits for the one before
  const int8_t* q = a.a.q + row * a.a.q_stride;
  const uint8_t* w = b.q4 + panel * panel_bytes;
  alignas(64) float totals[R][P][16];
  LG_UNROLL
  for (int r = 0; r < R; ++r) {
    LG_UNROLL
    for (int p = 0; p < P; ++p) _mm512_store_ps(totals[r][p], _mm512_setzero_ps());
  }
  for (size_t g = 0; g < groups; ++g) {
    __m512i acc[kChains][R][P];
    __m512i pairs[P];
    LG_UNROLL
    for (int p = 0; p < P; ++p) pairs[p] = LoadSumPairsAvx512(b, ((panel + p) * groups + g) * 16);
    LG_UNROLL
    for (int r = 0; r < R; ++r) {
      const __m512i corr = _mm512_set1_epi32(a.a.corr[(row + r) * a.a.corr_stride + g]);
      LG_UNROLL
      for (int p = 0; p < P; ++p) {
        acc[kChains - 1][r][p] = _mm512_setzero_si512();
        acc[0][r][p] = _mm512_dpwssd_epi32(_mm512_setzero_si512(), pairs[p], corr);
      }
    }
    if (R <= 2) PrefetchNextPage(w, b.group * kStepBytes / kStepInputs);
    for (size_t step = 0; step < b.group / kStepInputs; ++step, q += kStepInputs, w += kStepBytes) {
      __m512i low[P], high[P];
      LG_UNROLL
      for (int p = 0; p < P; ++p) {
        const __m512i both = _mm512_loadu_si512(w + p * panel_bytes);
        low[p] = _mm512_and_si512(both, low_nibbles);
        high[p] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low_nibbles);
      }
      LG_UNROLL
      for (int r = 0; r < R; ++r) {
        const __m512i first = Broadcast4(q + r * a.a.q_stride);
        LG_UNROLL
        for (int p = 0; p < P; ++p) acc[0][r][p] = _mm512_dpbusd_epi32(acc[0][r][p], low[p], first);
        const __m512i second = Broadcast4(q + r * a.a.q_stride + 4);
        LG_UNROLL
        for (int p = 0; p < P; ++p) acc[kChains - 1][r][p] = _mm512_dpbusd_epi32(acc[kChains - 1][r][p], high[p], second);
      }
    }
    LG_UNROLL
    for (int p = 0; p < P; ++p) {
      const __m512 scales = LoadScalesAvx512(b, ((panel + p) * groups + g) * 16);
      LG_UNROLL
      for (int r = 0; r < R; ++r) {
        const __m512i sum = kChains == 1 ? acc[0][r][p] : _mm512_add_epi32(acc[0][r][p], acc[1][r][p]);
        const __m512 total = _mm512_load_ps(totals[r][p]);
        _mm512_store_ps(totals[r][p], _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scales, total));
      }
    }
  }
  LG_UNROLL
  for (int r = 0; r < R; ++r) {
    const __m512 inv = _mm512_set1_ps(a.a.inv[row + r]);
    LG_UNROLL
    for (int p = 0; p < P; ++p) {
      _mm512_storeu_ps(c + r * a.c_stride + p * 16, _mm512_mul_ps(_mm512_load_ps(totals[r][p]), inv));
    }
  }
}

template <int R, int P>
void TileOf(const Q4Q8MatmulArgs& a, size_t row, size_t panel, float* c) {
  Tile<R, P>(a, row, panel, c);
}

constexpr size_t kMaxRows = 8;
constexpr TileFn kPairTiles[kMaxRows] = {TileOf<1, 2>, TileOf<2, 2>, TileOf<3, 2>, TileOf<4, 2>, TileOf<5, 2>, TileOf<6, 2>, TileOf<7, 2>, TileOf<8, 2>};
constexpr TileFn kSingleTiles[kMaxRows] = {TileOf<1, 1>, TileOf<2, 1>, TileOf<3, 1>, TileOf<4, 1>, TileOf<5, 1>, TileOf<6, 1>, TileOf<7, 1>, TileOf<8, 1>};

// All rows over P panels, in tiles of nearly equal height.
void Rows(const Q4Q8MatmulArgs& a, const TileFn* tiles, size_t panel, float* c) {
  const size_t count = (a.m + kMaxRows - 1) / kMaxRows;
  for (size_t t = 0, row = 0; t < count; ++t) {
    const size_t height = (a.m - row + (count - t) - 1) / (count - t);
    tiles[height - 1](a, row, panel, c + row * a.c_stride);
    row += height;
  }
}

}  // namespace

// Matrix-vector: one panel streams at a time, so that the memory's own prefetcher sees one sequence.
void q4q8_matmul_1x16_avx512vnni(const Q4Q8MatmulArgs& a) {
  for (size_t p = 0; p < a.panel_count; ++p) Rows(a, kSingleTiles, a.first_panel + p, a.c + p * 16);
}

void q4q8_matmul_8x32_avx512vnni(const Q4Q8MatmulArgs& a) {
  size_t p = 0;
  for (; p + 2 <= a.panel_count; p += 2) Rows(a, kPairTiles, a.first_panel + p, a.c + p * 16);
  if (p < a.panel_count) Rows(a, kSingleTiles, a.first_panel + p, a.c + p * 16);
}

}  // namespace lg
