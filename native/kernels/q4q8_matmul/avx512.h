// SPDX-License-Identifier: Apache-2.0
// What the kernels of this family with 512-bit registers share: the operands of a group's float part.
#pragma once

#include <immintrin.h>

#include "base/arch.h"
#include "packing/panel16.h"

namespace lg {

// Scales of a panel's outputs; `cell` counts [panel][group][16].
static LG_ALWAYS_INLINE __m512 LoadScalesAvx512(const PanelMatrix& b, size_t cell) {
  if (b.group >= 128) return _mm512_loadu_ps(reinterpret_cast<const float*>(b.scales) + cell);
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b.scales + 2 * cell)));
}

// Per output the pair (sum of w, -8) in int16, the partner of Q8Rows::corr in vpdpwssd.
static LG_ALWAYS_INLINE __m512i LoadSumPairsAvx512(const PanelMatrix& b, size_t cell) {
  const __m512i sums = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b.sums + cell)));
  return _mm512_or_si512(sums, _mm512_set1_epi32(static_cast<int>(0xfff80000u)));
}

}  // namespace lg
