// SPDX-License-Identifier: Apache-2.0
// Round-to-nearest INT4 quantization. Runs at conversion time only.
#include "quant/q4.h"

#include <cmath>
#include <cstring>
#include <string>

#include "base/f16.h"

namespace lg {
namespace {

float LoadFloat(const uint8_t* rows, size_t index, FloatType type) {
  if (type == FloatType::f32) {
    float value;
    std::memcpy(&value, rows + 4 * index, sizeof value);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, rows + 2 * index, sizeof bits);
  return type == FloatType::f16 ? FloatFromF16(bits) : FloatFromBf16(bits);
}

// Stores the scale at `index` and returns the value that a reader will see.
float StoreScale(float scale, uint8_t* scales, size_t index, size_t group) {
  if (ScaleBytes(group) == 4) {
    std::memcpy(scales + 4 * index, &scale, 4);
    return scale;
  }
  const uint16_t half = F16FromFloat(scale);
  std::memcpy(scales + 2 * index, &half, 2);
  return FloatFromF16(half);
}

// rne(x / scale) clamped to the nibble's range, as the nibble u = w + 8. |x / scale| is at most 7.5 but for the
// rounding of a f16 scale, whose subnormals may be far off; the clamp comes first so that the cast is defined.
uint8_t Nibble(float x, float scale) {
  if (scale == 0.0f) return 8;
  float ratio = x / scale;
  ratio = ratio < -8.0f ? -8.0f : ratio > 7.0f ? 7.0f : ratio;
  const float rounded = (ratio + 12582912.0f) - 12582912.0f;  // 1.5 * 2^23: round half to even
  return static_cast<uint8_t>(static_cast<int>(rounded) + 8);
}

std::string At(size_t row, size_t column) {
  return "row " + std::to_string(row) + ", column " + std::to_string(column);
}

Status QuantizeGroup(const QuantizeRowsArgs& a, size_t row, size_t first_column) {
  float x[256];
  float amax = 0.0f;
  for (size_t i = 0; i < a.group; ++i) {
    x[i] = LoadFloat(a.rows, row * a.k + first_column + i, a.type);
    const float magnitude = std::fabs(x[i]);
    if (!(magnitude < INFINITY)) {
      return Status::Error(kNonFinite, "Expected finite weights, found NaN or infinity at " + At(row, first_column + i));
    }
    amax = magnitude > amax ? magnitude : amax;
  }
  const size_t index = (row * a.k + first_column) / a.group;
  const float scale = StoreScale(amax / 7.5f, a.scales, index, a.group);
  if (!(scale < INFINITY)) {
    return Status::Error(kNonFinite, "Expected weights whose scale fits f16, found magnitude " + std::to_string(amax) +
                                         " at " + At(row, first_column) + "; use a group of 128 or 256");
  }
  uint8_t* out = a.values + (row * a.k + first_column) / 2;
  for (size_t i = 0; i < a.group; i += 2) {
    out[i / 2] = static_cast<uint8_t>(Nibble(x[i], scale) | (Nibble(x[i + 1], scale) << 4));
  }
  return Status::Ok();
}

}  // namespace

float LoadScale(const void* scales, size_t index, size_t group) {
  const uint8_t* bytes = static_cast<const uint8_t*>(scales);
  return LoadFloat(bytes, index, ScaleBytes(group) == 4 ? FloatType::f32 : FloatType::f16);
}

Status QuantizeRows(const QuantizeRowsArgs& a) {
  for (size_t row = 0; row < a.n; ++row) {
    for (size_t column = 0; column < a.k; column += a.group) LG_RETURN_IF_ERROR(QuantizeGroup(a, row, column));
  }
  return Status::Ok();
}

}  // namespace lg
