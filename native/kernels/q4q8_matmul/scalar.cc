// SPDX-License-Identifier: Apache-2.0
// The definition of q4q8_matmul: one output at a time, straight from the packed bytes.
#include <cmath>

#include "kernels/q4q8_matmul/q4q8_matmul.h"
#include "kernels/q4q8_matmul/scales.h"

namespace lg {
namespace {

// sum of q*u over one group, for the 16 outputs of a panel; exact in int32: 256 * 128 * 15 < 2^19.
void GroupSums(const int8_t* q, const uint8_t* steps, size_t group, int32_t* sums) {
  for (size_t c = 0; c < kPanelRows; ++c) sums[c] = 0;
  for (size_t k = 0; k < group; k += kStepInputs, q += kStepInputs, steps += kStepBytes) {
    for (size_t c = 0; c < kPanelRows; ++c) {
      for (size_t j = 0; j < 4; ++j) {
        const int byte = steps[4 * c + j];
        sums[c] += q[j] * (byte & 15) + q[4 + j] * (byte >> 4);
      }
    }
  }
}

void PanelRow(const Q4Q8MatmulArgs& a, size_t row, size_t panel, float* out) {
  const size_t groups = a.b.k / a.b.group;
  float acc[kPanelRows] = {};
  for (size_t g = 0; g < groups; ++g) {
    const int32_t corr = a.a.corr[row * a.a.corr_stride + g];
    const int32_t minus_zp = static_cast<int16_t>(corr & 0xffff), q_sum = corr >> 16;
    const size_t cell = (panel * groups + g) * kPanelRows;
    int32_t sums[kPanelRows];
    GroupSums(a.a.q + row * a.a.q_stride + g * a.b.group, a.b.q4 + panel * PanelBytes(a.b.k) + g * a.b.group * 8,
              a.b.group, sums);
    for (size_t c = 0; c < kPanelRows; ++c) {
      const int32_t isum = sums[c] - 8 * q_sum + minus_zp * a.b.sums[cell + c];
      acc[c] = fmaf(static_cast<float>(isum), ScaleAt(a.b, cell + c), acc[c]);
    }
  }
  for (size_t c = 0; c < kPanelRows; ++c) out[c] = acc[c] * a.a.inv[row];
}

}  // namespace

void q4q8_matmul_1x16_scalar(const Q4Q8MatmulArgs& a) {
  for (size_t p = 0; p < a.panel_count; ++p) {
    for (size_t row = 0; row < a.m; ++row) {
      PanelRow(a, row, a.first_panel + p, a.c + row * a.c_stride + p * kPanelRows);
    }
  }
}

}  // namespace lg
