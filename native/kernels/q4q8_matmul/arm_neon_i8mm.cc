// SPDX-License-Identifier: Apache-2.0
// q4q8_matmul with smmla: 2 rows x 8 inputs by 2 outputs x 8 inputs. It does not saturate: it adds eight products to int32.
//
// A panel's weights of one group are unpacked once for all rows, into at most 4 KiB on the stack: the zip of a quarter's low
// and high nibbles as 32-bit lanes is 2 outputs of 8 inputs. Activations need one zip of two rows per 8 inputs. Per step and
// panel that is 16 operations to unpack and 9 for two rows; dotprod takes 8 and 16. So smmla pays from 4 rows on.
//
// 4x16 tile: 2 pairs of rows x 8 pairs of outputs = 16 accumulators, 4 registers of activations (two steps), 4 of those that
// follow, 4 of weights: 28 of 32. The inner loop has 32 smmla, 20 loads and 4 zips; 8x8 would take 8 zips, and zips share
// their units with smmla. Floats wait in the result's place between groups.
#include "kernels/q4q8_matmul/neon.h"

namespace lg {
namespace {

constexpr size_t kMostGroup = 256, kPairs = kPanelRows / 2;
constexpr int kAhead = 4;  // weights are loaded as many registers before their use

// [step][pair of outputs][output of the pair][8 inputs], and what the loads ahead read for nobody.
struct Unpacked {
  alignas(64) int8_t w[kMostGroup / kStepInputs + 1][kPairs][16];
};
static_assert(kAhead <= kPairs);

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
  size_t g, cell;
};

// The first (kStep 0) or second 8 inputs of a pair of rows.
template <int kStep>
LG_ALWAYS_INLINE int8x16_t PairOf(int8x16_t row0, int8x16_t row1) {
  const int64x2_t a = vreinterpretq_s64_s8(row0), b = vreinterpretq_s64_s8(row1);
  return vreinterpretq_s8_s64(kStep == 0 ? vzip1q_s64(a, b) : vzip2q_s64(a, b));
}

// Activations of P pairs of rows: 16 inputs as two steps of pairs, and the following 16 of each row.
template <int P>
struct Operands {
  int8x16_t now[2][P];
  int8x16_t next[2 * P];
  int8x16_t w[kAhead];
};

template <int kStep, int P>
LG_ALWAYS_INLINE void PairUp(Operands<P>& in) {
  LG_UNROLL
  for (int p = 0; p < P; ++p) in.now[kStep][p] = PairOf<kStep>(in.next[2 * p], in.next[2 * p + 1]);
}

// Adds step kStep of two. The next activations are loaded in the first step, from `k` of each row, if there are more.
template <int kStep, bool kMore, int P>
LG_ALWAYS_INLINE void AddStep(const int8_t* const (&rows)[2 * P], size_t k, const int8_t* w, Operands<P>& in,
                              int32x4_t (&acc)[P][kPairs]) {
  LG_UNROLL
  for (int o = 0; o < static_cast<int>(kPairs); ++o) {
    LG_UNROLL
    for (int p = 0; p < P; ++p) {
      acc[p][o] = vmmlaq_s32(acc[p][o], in.now[kStep][p], in.w[o % kAhead]);
      KeepOrder(&acc[p][o], p + 1 < P ? &acc[p + 1][o] : &acc[0][(o + 1) % kPairs]);
    }
    if (o % 2 == 0) continue;
    in.w[(o - 1) % kAhead] = vld1q_s8(w + 16 * (o - 1 + kAhead));
    in.w[o % kAhead] = vld1q_s8(w + 16 * (o + kAhead));
    if (kMore && kStep == 0 && o < 2 * P) {
      in.next[o - 1] = vld1q_s8(rows[o - 1] + k);
      in.next[o] = vld1q_s8(rows[o] + k);
    }
    if (kMore && kStep == 1 && o == 3) PairUp<0>(in);
  }
}

// acc[p][o] = {row 0 output 0, row 0 output 1, row 1 output 0, row 1 output 1} of pair of rows p, pair of outputs o.
template <int P>
LG_ALWAYS_INLINE void Multiply(const int8_t* (&rows)[2 * P], size_t group, const int8_t* w, int32x4_t (&acc)[P][kPairs]) {
  constexpr size_t kStepWeights = kPairs * 16;
  Operands<P> in;
  LG_UNROLL
  for (int p = 0; p < P; ++p) {
    LG_UNROLL
    for (size_t o = 0; o < kPairs; ++o) acc[p][o] = vdupq_n_s32(0);
  }
  LG_UNROLL
  for (int r = 0; r < 2 * P; ++r) {
    KeepAddress(&rows[r]);
    in.next[r] = vld1q_s8(rows[r]);
  }
  PairUp<0>(in);
  PairUp<1>(in);
  LG_UNROLL
  for (int i = 0; i < kAhead; ++i) in.w[i] = vld1q_s8(w + 16 * i);
  const int8_t* const last = w + (group / kStepInputs - 2) * kStepWeights;
  size_t k = 0;
  while (w < last) {
    k += 2 * kStepInputs;
    w += 2 * kStepWeights;
    KeepAddress(&k);
    KeepAddress(&w);
    AddStep<0, true>(rows, k, w - 2 * kStepWeights, in, acc);
    AddStep<1, true>(rows, k, w - kStepWeights, in, acc);
    PairUp<1>(in);
  }
  AddStep<0, false>(rows, k, w, in, acc);
  AddStep<1, false>(rows, k, w + kStepWeights, in, acc);
}

// R rows of one group of a panel; results added to the floats at `c`. Of an odd number, the last row stands twice.
template <int R>
void TileOf(const Q4Q8MatmulArgs& a, const PanelGroup& in, size_t row, float* c) {
  constexpr int P = (R + 1) / 2;
  const int8_t* rows[2 * P];
  LG_UNROLL
  for (int r = 0; r < 2 * P; ++r) rows[r] = a.a.q + (row + (r < R ? r : R - 1)) * a.a.q_stride + in.g * a.b.group;
  int32x4_t acc[P][kPairs];
  Multiply<P>(rows, a.b.group, in.w->w[0][0], acc);
  LG_UNROLL
  for (int v = 0; v < 4; ++v) {
    const int16x4_t w_sums = vld1_s16(a.b.sums + in.cell + 4 * v);
    int32x4_t sums[R];
    LG_UNROLL
    for (int r = 0; r < R; ++r) {
      const int64x2_t left = vreinterpretq_s64_s32(acc[r / 2][2 * v]), right = vreinterpretq_s64_s32(acc[r / 2][2 * v + 1]);
      const int64x2_t both = r % 2 == 0 ? vzip1q_s64(left, right) : vzip2q_s64(left, right);
      const int32x4_t correction = CorrectionNeon(w_sums, a.a.corr[(row + r) * a.a.corr_stride + in.g]);
      sums[r] = vaddq_s32(correction, vreinterpretq_s32_s64(both));
    }
    AddToTotalsNeon(sums, LoadScalesNeon(a.b, in.cell + 4 * v), c + 4 * v, a.c_stride);
  }
}

using GroupTileFn = void (*)(const Q4Q8MatmulArgs&, const PanelGroup&, size_t row, float* c);
constexpr GroupTileFn kTiles[] = {TileOf<1>, TileOf<2>, TileOf<3>, TileOf<4>};
constexpr size_t kMaxRows = 4;

}  // namespace

// Group after group of a panel, all rows over each.
void q4q8_matmul_4x16_neon_i8mm(const Q4Q8MatmulArgs& a) {
  const size_t groups = a.b.k / a.b.group;
  Unpacked unpacked;
  for (size_t p = 0; p < a.panel_count; ++p) {
    const size_t panel = a.first_panel + p;
    const uint8_t* w = a.b.q4 + panel * PanelBytes(a.b.k);
    float* const c = a.c + p * kPanelRows;
    for (size_t row = 0; row < a.m; ++row) {
      for (size_t v = 0; v < 4; ++v) vst1q_f32(c + row * a.c_stride + 4 * v, vdupq_n_f32(0.0f));
    }
    for (size_t g = 0; g < groups; ++g, w += a.b.group * kStepBytes / kStepInputs) {
      Unpack(w, a.b.group, &unpacked);
      const PanelGroup in{&unpacked, g, (panel * groups + g) * kPanelRows};
      for (size_t row = 0; row < a.m; row += kMaxRows) {
        const size_t rows = a.m - row < kMaxRows ? a.m - row : kMaxRows;
        kTiles[rows - 1](a, in, row, c + row * a.c_stride);
      }
    }
    for (size_t row = 0; row < a.m; ++row) {
      for (size_t v = 0; v < 4; ++v) {
        float* const four = c + row * a.c_stride + 4 * v;
        vst1q_f32(four, vmulq_n_f32(vld1q_f32(four), a.a.inv[row]));
      }
    }
  }
}

}  // namespace lg
