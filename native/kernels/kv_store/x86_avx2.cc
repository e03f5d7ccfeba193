// SPDX-License-Identifier: Apache-2.0
// kv_store, 8 rows x 16 dimensions a step: 8 registers of 16 halves, transposed in three rounds of unpacking, which work in
// 128-bit halves: of the 16 dimensions the low half holds the first eight. The stores of a step fill 16 bytes of 16 lines.
#include <immintrin.h>

#include "base/arch.h"
#include "kernels/kv_store/kv_store.h"

namespace lg {
namespace {

constexpr int kRows = 8;

LG_ALWAYS_INLINE __m128i Halves8(const float* from) { return _mm256_cvtps_ph(_mm256_loadu_ps(from), _MM_FROUND_TO_NEAREST_INT); }
LG_ALWAYS_INLINE __m256i Halves16(const float* from) { return _mm256_set_m128i(Halves8(from + 8), Halves8(from)); }
LG_ALWAYS_INLINE void Store8(uint16_t* to, __m128i halves) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to), halves); }

void StoreValues(const float* from, size_t head_dim, uint16_t* to) {
  for (size_t d = 0; d < head_dim; d += 16) _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + d), Halves16(from + d));
}

// One key into its slot.
void StoreKey(const float* from, size_t head_dim, uint16_t* to) {
  for (size_t d = 0; d < head_dim; d += 8) {
    uint16_t halves[8];
    Store8(halves, Halves8(from + d));
    for (size_t i = 0; i < 8; ++i) to[(d + i) * kKeyBlock] = halves[i];
  }
}

// 16 dimensions of 8 keys into 8 slots.
LG_ALWAYS_INLINE void StoreKeys(const float* from, size_t stride, uint16_t* to) {
  __m256i row[kRows], two[kRows], four[kRows];
  LG_UNROLL
  for (int r = 0; r < kRows; ++r) row[r] = Halves16(from + r * stride);
  LG_UNROLL
  for (int r = 0; r < kRows; r += 2) {  // pairs of rows: dimensions 0 1 2 3, then 4 5 6 7
    two[r] = _mm256_unpacklo_epi16(row[r], row[r + 1]);
    two[r + 1] = _mm256_unpackhi_epi16(row[r], row[r + 1]);
  }
  LG_UNROLL
  for (int r = 0; r < kRows; r += 4) {  // rows 0 1 2 3 or 4 5 6 7: dimensions 0 1, 2 3, 4 5, 6 7
    LG_UNROLL
    for (int half = 0; half < 2; ++half) {
      four[r + 2 * half] = _mm256_unpacklo_epi32(two[r + half], two[r + 2 + half]);
      four[r + 2 * half + 1] = _mm256_unpackhi_epi32(two[r + half], two[r + 2 + half]);
    }
  }
  LG_UNROLL
  for (int i = 0; i < 4; ++i) {
    const __m256i even = _mm256_unpacklo_epi64(four[i], four[4 + i]), odd = _mm256_unpackhi_epi64(four[i], four[4 + i]);
    Store8(to + (2 * i) * kKeyBlock, _mm256_castsi256_si128(even));
    Store8(to + (2 * i + 1) * kKeyBlock, _mm256_castsi256_si128(odd));
    Store8(to + (2 * i + 8) * kKeyBlock, _mm256_extracti128_si256(even, 1));
    Store8(to + (2 * i + 9) * kKeyBlock, _mm256_extracti128_si256(odd, 1));
  }
}

}  // namespace

void kv_store_8x16_avx2(const KvStoreArgs& a) {
  uint16_t* const keys = a.block + a.slot;
  uint16_t* const values = a.block + (kKeyBlock + a.slot) * a.head_dim;
  for (size_t row = 0; row < a.rows; ++row) StoreValues(a.values + row * a.stride, a.head_dim, values + row * a.head_dim);
  size_t row = 0;
  for (; row + kRows <= a.rows; row += kRows) {
    for (size_t d = 0; d < a.head_dim; d += 16) StoreKeys(a.keys + row * a.stride + d, a.stride, keys + d * kKeyBlock + row);
  }
  for (; row < a.rows; ++row) StoreKey(a.keys + row * a.stride, a.head_dim, keys + row);
}

}  // namespace lg
