// SPDX-License-Identifier: Apache-2.0
// What kernels of this family share: the walk over panels and rows of one-panel tiles, and the prefetch of streamed weights.
// Internal linkage, as in every kernel file.
#pragma once

#include "base/arch.h"
#include "kernels/q4q8_matmul/q4q8_matmul.h"

namespace lg {

// Computes rows from `row` on of one panel; results at `c`.
using TileFn = void (*)(const Q4Q8MatmulArgs&, size_t row, size_t panel, float* c);

// For one or two rows, which are bound by memory, while a group's `bytes` (at most 2 KiB) of weights are read at `w`: asks for
// the start of the next page, once in a page and 1 to 3 KiB ahead. The processor's own prefetchers follow a stream, but no
// further than its page: these lines bridge the time until they follow again. More prefetches only take their place: one for
// every line, 2 KiB ahead, is slower than none on a Zen 4, and so are 4 or 16 lines of each page.
static LG_ALWAYS_INLINE void PrefetchNextPage(const uint8_t* w, size_t bytes) {
  constexpr uintptr_t kPage = 4096, kLine = 64, kLines = 8, kFirstOffset = 1024;
  const uintptr_t at = reinterpret_cast<uintptr_t>(w);
  if ((at - kFirstOffset) % kPage >= bytes) return;
  const char* const next = reinterpret_cast<const char*>((at / kPage + 1) * kPage);
  for (uintptr_t line = 0; line < kLines; ++line) __builtin_prefetch(next + line * kLine);
}

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
