// SPDX-License-Identifier: Apache-2.0
// Reading one stored scale of a packed matrix, for scalar code.
#pragma once

#include <cstring>

#include "base/f16.h"
#include "packing/panel16.h"

namespace lg {

// `index` counts [panel][group][16]. f32 for groups of 128 and more, else f16.
static LG_ALWAYS_INLINE float ScaleAt(const PanelMatrix& m, size_t index) {
  if (m.group >= 128) {
    float scale;
    std::memcpy(&scale, m.scales + 4 * index, sizeof scale);
    return scale;
  }
  uint16_t half;
  std::memcpy(&half, m.scales + 2 * index, sizeof half);
  return FloatFromF16(half);
}

}  // namespace lg
