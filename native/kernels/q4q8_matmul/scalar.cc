// SPDX-License-Identifier: Apache-2.0
// The definition of q4q8_matmul: sum (q - zp) * w, as it is written, from unpacked values; no use of the stored sums.
// Each group of a panel is unpacked once for all rows, into a form that compilers turn into 16-bit multiply-adds.
#include <cmath>

#include "kernels/q4q8_matmul/q4q8_matmul.h"
#include "kernels/q4q8_matmul/scales.h"

namespace lg {
namespace {

constexpr size_t kMostGroup = 256;

// w[c][i] = value of output c, input i of the group.
void UnpackGroup(const uint8_t* steps, size_t group, int16_t (*w)[kMostGroup]) {
  for (size_t k = 0; k < group; k += kStepInputs, steps += kStepBytes) {
    for (size_t c = 0; c < kPanelRows; ++c) {
      for (size_t j = 0; j < 4; ++j) {
        const int byte = steps[4 * c + j];
        w[c][k + j] = static_cast<int16_t>((byte & 15) - 8);
        w[c][k + 4 + j] = static_cast<int16_t>((byte >> 4) - 8);
      }
    }
  }
}

// Exact: |q - zp| <= 255, |w| <= 8, 256 terms: below 2^20.
int32_t Dot(const int16_t* a, const int16_t* b, size_t count) {
  int32_t sum = 0;
  for (size_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

void Panel(const Q4Q8MatmulArgs& a, size_t panel, float* out) {
  const size_t group = a.b.group, groups = a.b.k / group;
  int16_t w[kPanelRows][kMostGroup], centred[kMostGroup];
  for (size_t row = 0; row < a.m; ++row) {
    for (size_t c = 0; c < kPanelRows; ++c) out[row * a.c_stride + c] = 0.0f;
  }
  for (size_t g = 0; g < groups; ++g) {
    UnpackGroup(a.b.q4 + panel * PanelBytes(a.b.k) + g * group * kStepBytes / kStepInputs, group, w);
    for (size_t row = 0; row < a.m; ++row) {
      const int8_t* q = a.a.q + row * a.a.q_stride + g * group;
      const int minus_zp = static_cast<int16_t>(a.a.corr[row * a.a.corr_stride + g] & 0xffff);
      for (size_t i = 0; i < group; ++i) centred[i] = static_cast<int16_t>(q[i] + minus_zp);
      for (size_t c = 0; c < kPanelRows; ++c) {
        float* const total = out + row * a.c_stride + c;
        const float scale = ScaleAt(a.b, (panel * groups + g) * kPanelRows + c);
        *total = fmaf(static_cast<float>(Dot(centred, w[c], group)), scale, *total);
      }
    }
  }
  for (size_t row = 0; row < a.m; ++row) {
    for (size_t c = 0; c < kPanelRows; ++c) out[row * a.c_stride + c] *= a.a.inv[row];
  }
}

}  // namespace

void q4q8_matmul_1x16_scalar(const Q4Q8MatmulArgs& a) {
  for (size_t p = 0; p < a.panel_count; ++p) Panel(a, a.first_panel + p, a.c + p * kPanelRows);
}

}  // namespace lg
