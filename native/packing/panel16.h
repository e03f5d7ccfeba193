// SPDX-License-Identifier: Apache-2.0
// panel16, the one packed layout of every weight matrix: docs/packing-format.md has it byte by byte.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lg {

inline constexpr size_t kPanelRows = 16;     // outputs side by side in a panel
inline constexpr size_t kStepInputs = 8;     // inputs in one step
inline constexpr size_t kStepBytes = 64;     // 16 outputs x 8 inputs x 4 bits
static_assert(kPanelRows * kStepInputs / 2 == kStepBytes);

// Internal linkage: kernel files of an instruction set must not define weak symbols.
static constexpr size_t PanelCount(size_t n) { return (n + kPanelRows - 1) / kPanelRows; }
static constexpr size_t PanelBytes(size_t k) { return k / kStepInputs * kStepBytes; }

// A packed matrix [n][k] as it lies in the mapped file. Owns nothing.
struct PanelMatrix {
  const uint8_t* q4;     // [panels][k/8][64]
  const uint8_t* scales; // [panels][k/group][16], f32 (group >= 128) or f16
  const int16_t* sums;   // [panels][k/group][16], sum of the group's values
  size_t panels;
  size_t k;
  size_t group;
};

struct PackPanelsArgs {
  const uint8_t* values;      // [n][k/2], low nibble = even column
  const uint8_t* row_scales;  // [n][k/group]
  size_t n, k, group;
  uint8_t* q4;
  uint8_t* scales;
  int16_t* sums;
};

// Packs quantized rows; rows beyond n up to the panel's end get zero weights and zero scales.
void PackPanels(const PackPanelsArgs& args);

// The value (-8..7) of row `n`, column `k`.
int PanelValue(const PanelMatrix& matrix, size_t n, size_t k);

}  // namespace lg
