// SPDX-License-Identifier: Apache-2.0
// Lookup of one row of the INT4 embedding table.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lg {

struct EmbedRowArgs {
  const uint8_t* q4;      // [vocab][hidden/2], low nibble = even column
  const uint8_t* scales;  // [vocab][hidden/group], f32 or f16
  size_t hidden, group;
  uint32_t token;
  float* x;  // [hidden]
};

// x[i] = float(w) * scale.
void EmbedRow(const EmbedRowArgs& args);

}  // namespace lg
