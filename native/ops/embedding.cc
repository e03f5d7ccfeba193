// SPDX-License-Identifier: Apache-2.0
#include "ops/embedding.h"

#include "quant/q4.h"

namespace lg {

void EmbedRow(const EmbedRowArgs& a) {
  const uint8_t* q4 = a.q4 + a.token * (a.hidden / 2);
  for (size_t g = 0; g < a.hidden / a.group; ++g) {
    const float scale = LoadScale(a.scales, a.token * (a.hidden / a.group) + g, a.group);
    for (size_t i = g * a.group; i < (g + 1) * a.group; i += 2) {
      a.x[i] = static_cast<float>((q4[i / 2] & 15) - 8) * scale;
      a.x[i + 1] = static_cast<float>((q4[i / 2] >> 4) - 8) * scale;
    }
  }
}

}  // namespace lg
