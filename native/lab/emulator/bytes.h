// SPDX-License-Identifier: Apache-2.0
// The step that all instructions for INT8 share.
#pragma once

#include <cstdint>

namespace lg::lab {

// sum + a[0] * b[0] + ... + a[3] * b[3] modulo 2^32, with the bytes read as signed (int8_t) or unsigned (uint8_t).
template <typename A, typename B>
uint32_t AddProducts(uint32_t sum, const uint8_t* a, const uint8_t* b) {
  for (int i = 0; i < 4; ++i) sum += static_cast<uint32_t>(static_cast<A>(a[i]) * static_cast<B>(b[i]));
  return sum;
}

}  // namespace lg::lab
