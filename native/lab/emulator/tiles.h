// SPDX-License-Identifier: Apache-2.0
// The tiles of AMX and what its instructions do with them, by Intel's Software Developer's Manual, volume 2, for palette
// 1: 8 tiles of up to 16 rows of 64 bytes. Memory operands are real addresses.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lab/emulator/fault.h"

namespace lg::lab {

// The tiles of one thread; not configured at first.
class Tiles {
 public:
  // ldtilecfg and sttilecfg, of 64 bytes.
  Fault LoadConfiguration(const uint8_t* memory);
  void StoreConfiguration(uint8_t* memory) const;
  // tilerelease
  void Release();
  // tilezero
  Fault Zero(int tile);
  // tileloadd and tilestored; the row r lies at memory + r * stride.
  Fault Load(int tile, const uint8_t* memory, uint64_t stride);
  Fault Store(int tile, uint8_t* memory, uint64_t stride);
  // tdpb..d: to every dword [i][j] of `sums`, for each k, the products of the four bytes of dword [i][k] of `a` and those of
  // dword [k][j] of `b`, read as A and B (int8_t or uint8_t), modulo 2^32.
  template <typename A, typename B>
  Fault Multiply(int sums, int a, int b);

 private:
  static constexpr int kCount = 8, kMostRows = 16, kMostRowBytes = 64;

  int Rows(int tile) const;
  int RowBytes(int tile) const;
  // Why an instruction must not use this tile; none if it may.
  Fault Check(int tile) const;
  // The same for those that read or write memory, and begin with the row that the configuration names.
  Fault CheckTransfer(int tile) const;
  Fault CheckProduct(int sums, int a, int b) const;

  // As ldtilecfg takes it; palette 0: not configured.
  uint8_t configuration_[kMostRowBytes] = {};
  // Zero outside of the configured rows and columns, where nothing ever writes.
  uint8_t data_[kCount][kMostRows][kMostRowBytes] = {};
};

}  // namespace lg::lab
