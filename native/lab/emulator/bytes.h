// SPDX-License-Identifier: Apache-2.0
// The step that all instructions for INT8 share.
#pragma once

#include <cstdint>
#include <cstring>

namespace lg::lab {

// sum += a[0] * b[0] + ... + a[3] * b[3] modulo 2^32, for a dword at `sum`; bytes are read as A and B, signed (int8_t) or
// unsigned (uint8_t).
template <typename A, typename B>
void AddProducts(uint8_t* sum, const uint8_t* a, const uint8_t* b) {
  uint32_t total;
  std::memcpy(&total, sum, sizeof total);
  for (int i = 0; i < 4; ++i) total += static_cast<uint32_t>(static_cast<A>(a[i]) * static_cast<B>(b[i]));
  std::memcpy(sum, &total, sizeof total);
}

}  // namespace lg::lab
