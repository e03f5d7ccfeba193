// SPDX-License-Identifier: Apache-2.0
// Packing rows into panels, at conversion time, and reading single values back, for references.
#include "packing/panel16.h"

#include <cstring>

#include "quant/q4.h"

namespace lg {
namespace {

// Nibble u = w + 8 of a row-major quantized matrix; rows past n are zero weights.
unsigned RowNibble(const PackPanelsArgs& a, size_t row, size_t column) {
  if (row >= a.n) return 8;
  const uint8_t byte = a.values[(row * a.k + column) / 2];
  return column % 2 == 0 ? byte & 15u : byte >> 4;
}

void PackStep(const PackPanelsArgs& a, size_t first_row, size_t first_column, uint8_t* out) {
  for (size_t c = 0; c < kPanelRows; ++c) {
    for (size_t j = 0; j < 4; ++j) {
      const unsigned low = RowNibble(a, first_row + c, first_column + j);
      const unsigned high = RowNibble(a, first_row + c, first_column + 4 + j);
      out[4 * c + j] = static_cast<uint8_t>(low | (high << 4));
    }
  }
}

void PackGroup(const PackPanelsArgs& a, size_t panel, size_t group_index) {
  const size_t groups = a.k / a.group, scale_bytes = ScaleBytes(a.group);
  for (size_t c = 0; c < kPanelRows; ++c) {
    const size_t row = panel * kPanelRows + c;
    const size_t out = (panel * groups + group_index) * kPanelRows + c;
    int sum = 0;
    for (size_t i = 0; i < a.group; ++i) sum += static_cast<int>(RowNibble(a, row, group_index * a.group + i)) - 8;
    a.sums[out] = static_cast<int16_t>(sum);
    if (row < a.n) {
      std::memcpy(a.scales + out * scale_bytes, a.row_scales + (row * groups + group_index) * scale_bytes, scale_bytes);
    } else {
      std::memset(a.scales + out * scale_bytes, 0, scale_bytes);
    }
  }
}

}  // namespace

void PackPanels(const PackPanelsArgs& a) {
  for (size_t panel = 0; panel < PanelCount(a.n); ++panel) {
    uint8_t* out = a.q4 + panel * PanelBytes(a.k);
    for (size_t column = 0; column < a.k; column += kStepInputs, out += kStepBytes) {
      PackStep(a, panel * kPanelRows, column, out);
    }
    for (size_t g = 0; g < a.k / a.group; ++g) PackGroup(a, panel, g);
  }
}

int PanelValue(const PanelMatrix& m, size_t n, size_t k) {
  const uint8_t* step = m.q4 + n / kPanelRows * PanelBytes(m.k) + k / kStepInputs * kStepBytes;
  const uint8_t byte = step[4 * (n % kPanelRows) + k % 4];
  return static_cast<int>(k % kStepInputs < 4 ? byte & 15 : byte >> 4) - 8;
}

}  // namespace lg
