// SPDX-License-Identifier: Apache-2.0
// The walk over panels and rows that the kernels of one-panel tiles share. Internal linkage, as in every kernel file.
#pragma once

#include "base/arch.h"
#include "kernels/q4q8_matmul/q4q8_matmul.h"

namespace lg {

// Computes rows from `row` on of one panel; results at `c`.
using TileFn = void (*)(const Q4Q8MatmulArgs&, size_t row, size_t panel, float* c);

// Panel after panel, so that matrix-vector reads one stream; all rows over a panel, in tiles of nearly equal height.
// tiles[h - 1] is h rows high.
template <size_t kMaxRows>
static LG_ALWAYS_INLINE void RunTiles(const Q4Q8MatmulArgs& a, const TileFn (&tiles)[kMaxRows]) {
  const size_t count = (a.m + kMaxRows - 1) / kMaxRows;
  for (size_t p = 0; p < a.panel_count; ++p) {
    for (size_t t = 0, row = 0; t < count; ++t) {
      const size_t height = (a.m - row + (count - t) - 1) / (count - t);
      tiles[height - 1](a, row, a.first_panel + p, a.c + row * a.c_stride + p * kPanelRows);
      row += height;
    }
  }
}

}  // namespace lg
