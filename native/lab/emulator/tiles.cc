// SPDX-License-Identifier: Apache-2.0
// Conditions of exceptions are those of the manual's classes AMX-E1 to AMX-E4.
#include "lab/emulator/host.h"

#if LG_EMULATOR

#include <algorithm>
#include <cstring>

#include "lab/emulator/bytes.h"
#include "lab/emulator/tiles.h"

namespace lg::lab {
namespace {

// Where things lie in a configuration. All other bytes are reserved.
constexpr int kPalette = 0, kStartRow = 1, kRowBytes = 16, kRows = 48, kEnd = 64;

constexpr Fault Undefined(const char* reason) { return {Exception::undefined, reason}; }
constexpr Fault Protection(const char* reason) { return {Exception::protection, reason}; }
constexpr Fault kNoFault = {};

bool AllZero(const uint8_t* begin, const uint8_t* end) {
  return std::all_of(begin, end, [](uint8_t byte) { return byte == 0; });
}

int RowBytesIn(const uint8_t* configuration, int tile) {
  const uint8_t* bytes = configuration + kRowBytes + 2 * tile;
  return bytes[0] | bytes[1] << 8;
}

}  // namespace

Fault Tiles::LoadConfiguration(const uint8_t* memory) {
  uint8_t loaded[kEnd];
  std::memcpy(loaded, memory, sizeof loaded);
  if (loaded[kPalette] == 0) {
    Release();
    return kNoFault;
  }
  if (loaded[kPalette] != 1) return Protection("the palette is neither 0 nor 1");
  if (!AllZero(loaded + kStartRow + 1, loaded + kRowBytes) || !AllZero(loaded + kRowBytes + 2 * kCount, loaded + kRows) ||
      !AllZero(loaded + kRows + kCount, loaded + kEnd)) {
    return Protection("a reserved byte of the configuration is not 0");
  }
  for (int tile = 0; tile < kCount; ++tile) {
    const int rows = loaded[kRows + tile], row_bytes = RowBytesIn(loaded, tile);
    if (rows > kMostRows) return Protection("a tile has more than 16 rows");
    if (row_bytes > kMostRowBytes) return Protection("a tile's rows have more than 64 bytes");
    if ((rows == 0) != (row_bytes == 0)) return Protection("a tile has rows without bytes, or bytes without rows");
  }
  Release();
  std::memcpy(configuration_, loaded, sizeof loaded);
  return kNoFault;
}

void Tiles::StoreConfiguration(uint8_t* memory) const { std::memcpy(memory, configuration_, sizeof configuration_); }

void Tiles::Release() { *this = Tiles(); }

Fault Tiles::Zero(int tile) {
  const Fault fault = Check(tile);
  if (fault.exception != Exception::none) return fault;
  std::memset(data_[tile], 0, sizeof data_[tile]);
  configuration_[kStartRow] = 0;
  return kNoFault;
}

Fault Tiles::Load(int tile, const uint8_t* memory, uint64_t stride) {
  const Fault fault = CheckTransfer(tile);
  if (fault.exception != Exception::none) return fault;
  const size_t row_bytes = static_cast<size_t>(RowBytes(tile));
  for (int row = configuration_[kStartRow]; row < Rows(tile); ++row) {
    std::memcpy(data_[tile][row], memory + static_cast<uint64_t>(row) * stride, row_bytes);
  }
  configuration_[kStartRow] = 0;
  return kNoFault;
}

Fault Tiles::Store(int tile, uint8_t* memory, uint64_t stride) {
  const Fault fault = CheckTransfer(tile);
  if (fault.exception != Exception::none) return fault;
  const size_t row_bytes = static_cast<size_t>(RowBytes(tile));
  for (int row = configuration_[kStartRow]; row < Rows(tile); ++row) {
    std::memcpy(memory + static_cast<uint64_t>(row) * stride, data_[tile][row], row_bytes);
  }
  configuration_[kStartRow] = 0;
  return kNoFault;
}

template <typename A, typename B>
Fault Tiles::Multiply(int sums, int a, int b) {
  const Fault fault = CheckProduct(sums, a, b);
  if (fault.exception != Exception::none) return fault;
  for (int i = 0; i < Rows(sums); ++i) {
    for (int k = 0; k < Rows(b); ++k) {
      for (int j = 0; j < RowBytes(sums); j += 4) {
        AddProducts<A, B>(data_[sums][i] + j, data_[a][i] + 4 * k, data_[b][k] + j);
      }
    }
  }
  configuration_[kStartRow] = 0;
  return kNoFault;
}

template Fault Tiles::Multiply<int8_t, int8_t>(int sums, int a, int b);
template Fault Tiles::Multiply<int8_t, uint8_t>(int sums, int a, int b);
template Fault Tiles::Multiply<uint8_t, int8_t>(int sums, int a, int b);
template Fault Tiles::Multiply<uint8_t, uint8_t>(int sums, int a, int b);

int Tiles::Rows(int tile) const { return configuration_[kRows + tile]; }

int Tiles::RowBytes(int tile) const { return RowBytesIn(configuration_, tile); }

Fault Tiles::Check(int tile) const {
  if (configuration_[kPalette] == 0) return Undefined("tiles are not configured");
  return Rows(tile) == 0 ? Undefined("a tile has no rows") : kNoFault;
}

Fault Tiles::CheckTransfer(int tile) const {
  const Fault fault = Check(tile);
  if (fault.exception != Exception::none) return fault;
  if (RowBytes(tile) % 4 != 0) return Undefined("a tile's rows are not whole dwords");
  return configuration_[kStartRow] >= Rows(tile) ? Undefined("the first row lies behind the tile") : kNoFault;
}

Fault Tiles::CheckProduct(int sums, int a, int b) const {
  if (sums == a || sums == b || a == b) return Undefined("the operands are not three different tiles");
  for (const int tile : {sums, a, b}) {
    const Fault fault = Check(tile);
    if (fault.exception != Exception::none) return fault;
    if (RowBytes(tile) % 4 != 0) return Undefined("a tile's rows are not whole dwords");
  }
  const bool fits = Rows(sums) == Rows(a) && RowBytes(sums) == RowBytes(b) && RowBytes(a) == 4 * Rows(b);
  return fits ? kNoFault : Undefined("the shapes of the operands do not fit each other");
}

}  // namespace lg::lab

#endif
