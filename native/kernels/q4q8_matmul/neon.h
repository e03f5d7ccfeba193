// SPDX-License-Identifier: Apache-2.0
// What the NEON kernels of this family share: a tile but for its integer sums, and how loops are kept in their order.
#pragma once

#include <arm_neon.h>

#include "kernels/q4q8_matmul/tiles.h"

namespace lg {

// Scales of four outputs; `cell` counts [panel][group][16].
static LG_ALWAYS_INLINE float32x4_t LoadScalesNeon(const PanelMatrix& b, size_t cell) {
  if (b.group >= 128) return vld1q_f32(reinterpret_cast<const float*>(b.scales) + cell);
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(reinterpret_cast<const uint16_t*>(b.scales) + cell)));
}

// -zp * sum w - 8 * sum q of four outputs, from the pair of Q8Rows::corr.
static LG_ALWAYS_INLINE int32x4_t CorrectionNeon(int16x4_t sums, int32_t corr) {
  const int16x4_t pair = vcreate_s16(static_cast<uint32_t>(corr));  // -zp, sum q
  return vmlal_lane_s16(vmull_lane_s16(vdup_n_s16(-8), pair, 1), sums, pair, 0);
}

// Adds R rows' part of a group, of four outputs, to the floats at `totals`.
template <int R>
static LG_ALWAYS_INLINE void AddToTotalsNeon(const int32x4_t (&sums)[R], float32x4_t scales, float* totals, size_t stride) {
  float32x4_t total[R];
  LG_UNROLL
  for (int r = 0; r < R; ++r) total[r] = vfmaq_f32(vld1q_f32(totals + r * stride), vcvtq_f32_s32(sums[r]), scales);
  LG_UNROLL
  for (int r = 0; r < R; ++r) vst1q_f32(totals + r * stride, total[r]);
}

// Marks that keep the order of the source in an inner loop, which is made for cores that do not reorder: loads stand well
// before their use, and weights are unpacked together. Left alone, compilers gather the loads, and take more registers than
// there are. clang moves whatever does not depend on a mark, so that its marks also take the operand of what follows (`next`);
// for gcc a mark is a barrier in itself, and more operands would cost copies.
#if defined(__clang__)

// Behind an addition to `sums`; the next one is to `next`.
static LG_ALWAYS_INLINE void KeepOrder(int32x4_t* sums, int32x4_t* next) {
  __asm__ volatile("" : "+w"(*sums), "+w"(*next) : : "memory");
}

// Before `both` is unpacked, behind the last addition, which was to `sums`.
static LG_ALWAYS_INLINE void KeepOrder(uint8x16_t* both, int32x4_t* sums) {
  __asm__ volatile("" : "+w"(*both), "+w"(*sums) : : "memory");
}

// Behind the unpacking of two nibbles; the next addition is to `next`.
static LG_ALWAYS_INLINE void KeepOrder(int8x16_t* low, int8x16_t* high, int32x4_t* next) {
  __asm__ volatile("" : "+w"(*low), "+w"(*high), "+w"(*next) : : "memory");
}

#else

static LG_ALWAYS_INLINE void KeepOrder(int32x4_t* sums, int32x4_t*) { __asm__ volatile("" : "+w"(*sums)); }

static LG_ALWAYS_INLINE void KeepOrder(uint8x16_t*, int32x4_t*) {}

static LG_ALWAYS_INLINE void KeepOrder(int8x16_t* low, int8x16_t* high, int32x4_t*) {
  __asm__ volatile("" : : "w"(*low), "w"(*high));
}

#endif

// Makes a compiler take an address or offset as it is: it neither folds a loop's step into loads, which then write two
// registers, nor computes one row's address from another's.
template <typename Address>
static LG_ALWAYS_INLINE void KeepAddress(Address* address) {
  __asm__ volatile("" : "+r"(*address));
}

// One group of R rows (at `q`, stride `q_stride`) and Q quarters of a panel (at `w`).
struct GroupNeon {
  const int8_t* q;
  size_t q_stride;
  const uint8_t* w;
  size_t group;
};

// R rows x Q quarters of a panel, from quarter `first`, over all of k. Sums::Add<R, Q> adds the products of a group.
// The float accumulators stay in memory: they are touched once a group, and the inner loop needs the registers.
template <typename Sums, int R, int Q>
static LG_ALWAYS_INLINE void TileNeon(const Q4Q8MatmulArgs& a, size_t row, size_t panel, size_t first, float* c) {
  const PanelMatrix& b = a.b;
  const size_t groups = b.k / b.group;
  const int8_t* q = a.a.q + row * a.a.q_stride;
  const uint8_t* w = b.q4 + panel * PanelBytes(b.k) + 16 * first;
  float totals[R][Q][4] = {};
  for (size_t g = 0; g < groups; ++g, q += b.group, w += b.group * kStepBytes / kStepInputs) {
    __asm__ volatile("" : : "r"(totals) : "memory");
    const size_t cell = (panel * groups + g) * kPanelRows + 4 * first;
    int32x4_t sums[R][Q];
    LG_UNROLL
    for (int r = 0; r < R; ++r) {
      const int32_t corr = a.a.corr[(row + r) * a.a.corr_stride + g];
      LG_UNROLL
      for (int v = 0; v < Q; ++v) sums[r][v] = CorrectionNeon(vld1_s16(b.sums + cell + 4 * v), corr);
    }
    Sums::template Add<R, Q>({q, a.a.q_stride, w, b.group}, sums);
    LG_UNROLL
    for (int v = 0; v < Q; ++v) {
      const float32x4_t scales = LoadScalesNeon(b, cell + 4 * v);
      LG_UNROLL
      for (int r = 0; r < R; ++r) {
        vst1q_f32(totals[r][v], vfmaq_f32(vld1q_f32(totals[r][v]), vcvtq_f32_s32(sums[r][v]), scales));
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < Q; ++v) vst1q_f32(c + r * a.c_stride + 4 * v, vmulq_n_f32(vld1q_f32(totals[r][v]), a.a.inv[row + r]));
  }
}

}  // namespace lg
