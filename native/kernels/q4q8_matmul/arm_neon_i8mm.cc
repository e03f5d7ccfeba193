// SPDX-License-Identifier: Apache-2.0
// q4q8_matmul with smmla: 2 rows x 8 inputs by 2 outputs x 8 inputs. It does not saturate: it adds eight products to int32.
//
// A panel's weights of one group are unpacked once for all rows, into at most 4 KiB on the stack: the zip of a quarter's low
// and high nibbles as 32-bit lanes is 2 outputs of 8 inputs. Activations need one zip of two rows per 8 inputs. Per step and
// panel that is 16 operations to unpack and 10 for two rows; dotprod takes 8 and 16. So smmla pays from 4 rows on.
//
// 8x8 tile: 4 pairs of rows x 4 pairs of outputs = 16 accumulators, 8 registers of activations (two steps) and 4 of weights:
// 28 of 32. The inner loop has 32 smmla, 16 loads and 8 zips. Floats wait in the result's place between groups.
#include "kernels/q4q8_matmul/neon.h"

namespace lg {
namespace {

constexpr size_t kMostGroup = 256, kPairs = kPanelRows / 2, kTilePairs = kPairs / 2;

// [step][pair of outputs][output of the pair][8 inputs]
struct Unpacked {
  alignas(64) int8_t w[kMostGroup / kStepInputs][kPairs][16];
};

void Unpack(const uint8_t* w, size_t group, Unpacked* to) {
  for (size_t step = 0; step < group / kStepInputs; ++step, w += kStepBytes) {
    __builtin_prefetch(w + 2048);
    LG_UNROLL
    for (int v = 0; v < 4; ++v) {
      const uint8x16_t both = vld1q_u8(w + 16 * v);
      const int32x4_t low = vreinterpretq_s32_u8(vandq_u8(both, vdupq_n_u8(15)));
      const int32x4_t high = vreinterpretq_s32_u8(vshrq_n_u8(both, 4));
      vst1q_s8(to->w[step][2 * v], vreinterpretq_s8_s32(vzip1q_s32(low, high)));
      vst1q_s8(to->w[step][2 * v + 1], vreinterpretq_s8_s32(vzip2q_s32(low, high)));
    }
  }
}

// One group of a panel: `cell` counts [panel][group][16].
struct PanelGroup {
  const Unpacked* w;
  size_t panel, g, cell;
};

// The first (kStep 0) or second 8 inputs of a pair of rows.
template <int kStep>
LG_ALWAYS_INLINE int8x16_t PairOf(int8x16_t row0, int8x16_t row1) {
  const int64x2_t a = vreinterpretq_s64_s8(row0), b = vreinterpretq_s64_s8(row1);
  return vreinterpretq_s8_s64(kStep == 0 ? vzip1q_s64(a, b) : vzip2q_s64(a, b));
}

template <int P>
LG_ALWAYS_INLINE void AddStep(const int8x16_t (&q)[P], const int8_t (*w)[16], int32x4_t (&acc)[P][kTilePairs]) {
  int8x16_t weights[kTilePairs];
  LG_UNROLL
  for (size_t o = 0; o < kTilePairs; ++o) weights[o] = vld1q_s8(w[o]);
  LG_UNROLL
  for (size_t o = 0; o < kTilePairs; ++o) {
    LG_UNROLL
    for (int p = 0; p < P; ++p) {
      acc[p][o] = vmmlaq_s32(acc[p][o], q[p], weights[o]);
      KeepOrder(&acc[p][o]);
    }
  }
}

// acc[p][o] = {row 0 output 0, row 0 output 1, row 1 output 0, row 1 output 1} of pair of rows p, pair of outputs o.
template <int P>
LG_ALWAYS_INLINE void Multiply(const int8_t* const (&q)[2 * P], size_t group, const int8_t (*w)[kPairs][16],
                               int32x4_t (&acc)[P][kTilePairs]) {
  LG_UNROLL
  for (int p = 0; p < P; ++p) {
    LG_UNROLL
    for (size_t o = 0; o < kTilePairs; ++o) acc[p][o] = vdupq_n_s32(0);
  }
  for (size_t k = 0; k < group; k += 2 * kStepInputs, w += 2) {
    int8x16_t first[P], second[P];
    LG_UNROLL
    for (int p = 0; p < P; ++p) {
      const int8x16_t row0 = vld1q_s8(q[2 * p] + k), row1 = vld1q_s8(q[2 * p + 1] + k);
      first[p] = PairOf<0>(row0, row1);
      second[p] = PairOf<1>(row0, row1);
    }
    AddStep<P>(first, w[0], acc);
    AddStep<P>(second, w[1], acc);
  }
}

// One row, four outputs: adds a group's part to the floats at `c`; the last group's times inv.
LG_ALWAYS_INLINE void Finish(const Q4Q8MatmulArgs& a, const PanelGroup& in, size_t row, size_t cell, int32x4_t sums, float* c) {
  const int32x4_t whole = vaddq_s32(sums, CorrectionNeon(vld1_s16(a.b.sums + cell), a.a.corr[row * a.a.corr_stride + in.g]));
  const float32x4_t before = in.g == 0 ? vdupq_n_f32(0.0f) : vld1q_f32(c);
  const float32x4_t total = vfmaq_f32(before, vcvtq_f32_s32(whole), LoadScalesNeon(a.b, cell));
  const bool last = (in.g + 1) * a.b.group == a.b.k;
  vst1q_f32(c, last ? vmulq_n_f32(total, a.a.inv[row]) : total);
}

// `rows` = 2 * P, or one less: then the last row stands twice, and its second result goes nowhere.
template <int P>
void TileOf(const Q4Q8MatmulArgs& a, const PanelGroup& in, size_t row, size_t rows, float* c) {
  const int8_t* q[2 * P];
  LG_UNROLL
  for (size_t r = 0; r < 2 * P; ++r) q[r] = a.a.q + (row + (r < rows ? r : rows - 1)) * a.a.q_stride + in.g * a.b.group;
  for (size_t half = 0; half < 2; ++half) {
    int32x4_t acc[P][kTilePairs];
    Multiply<P>(q, a.b.group, reinterpret_cast<const int8_t(*)[kPairs][16]>(in.w->w[0][half * kTilePairs]), acc);
    LG_UNROLL
    for (int p = 0; p < P; ++p) {
      LG_UNROLL
      for (size_t v = 0; v < 2; ++v) {
        const int64x2_t left = vreinterpretq_s64_s32(acc[p][2 * v]), right = vreinterpretq_s64_s32(acc[p][2 * v + 1]);
        const size_t column = 8 * half + 4 * v, r = 2 * p;
        float* const to = c + r * a.c_stride + column;
        Finish(a, in, row + r, in.cell + column, vreinterpretq_s32_s64(vzip1q_s64(left, right)), to);
        if (r + 1 == rows) continue;
        Finish(a, in, row + r + 1, in.cell + column, vreinterpretq_s32_s64(vzip2q_s64(left, right)), to + a.c_stride);
      }
    }
  }
}

using GroupTileFn = void (*)(const Q4Q8MatmulArgs&, const PanelGroup&, size_t row, size_t rows, float* c);
constexpr GroupTileFn kTiles[] = {TileOf<1>, TileOf<2>, TileOf<3>, TileOf<4>};
constexpr size_t kMaxRows = 8;

}  // namespace

// Group after group of a panel, all rows over each.
void q4q8_matmul_8x8_neon_i8mm(const Q4Q8MatmulArgs& a) {
  const size_t groups = a.b.k / a.b.group;
  Unpacked unpacked;
  for (size_t p = 0; p < a.panel_count; ++p) {
    const size_t panel = a.first_panel + p;
    const uint8_t* w = a.b.q4 + panel * PanelBytes(a.b.k);
    for (size_t g = 0; g < groups; ++g, w += a.b.group * kStepBytes / kStepInputs) {
      Unpack(w, a.b.group, &unpacked);
      const PanelGroup in{&unpacked, panel, g, (panel * groups + g) * kPanelRows};
      for (size_t row = 0; row < a.m; row += kMaxRows) {
        const size_t rows = a.m - row < kMaxRows ? a.m - row : kMaxRows;
        kTiles[(rows - 1) / 2](a, in, row, rows, a.c + row * a.c_stride + p * kPanelRows);
      }
    }
  }
}

}  // namespace lg
