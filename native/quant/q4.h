// SPDX-License-Identifier: Apache-2.0
// The INT4 group format of docs/packing-format.md: 4-bit values with one scale per group, and rounding to it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/status.h"

namespace lg {

// Element types of a checkpoint that can be rounded to INT4.
enum class FloatType { f32, f16, bf16 };

// Groups of 128 and more carry f32 scales, smaller ones f16.
inline constexpr size_t ScaleBytes(size_t group) { return group >= 128 ? 4 : 2; }
inline constexpr bool IsGroup(size_t group) { return group == 32 || group == 64 || group == 128 || group == 256; }

// The scale of group `index` in an array of stored scales.
float LoadScale(const void* scales, size_t index, size_t group);

// The rows to round and where the result goes.
struct QuantizeRowsArgs {
  const uint8_t* rows;  // [n][k] of `type`, little endian, any alignment
  FloatType type;
  size_t n, k, group;
  uint8_t* values;  // [n][k/2], low nibble = even column, value + 8
  uint8_t* scales;  // [n][k/group], f32 or f16
};

// scale = amax / 7.5 rounded to its stored type; value = clamp(rne(x / scale), -8, 7).
// Error: NON_FINITE with row and column, also where the scale overflows f16.
Status QuantizeRows(const QuantizeRowsArgs& args);

}  // namespace lg
