// SPDX-License-Identifier: Apache-2.0
// What code with AMX tiles needs beside the intrinsics. Knows no instruction set, so that any file may include it.
#pragma once

#include <cstdint>

#include "base/arch.h"

namespace lg {

// The memory operand of ldtilecfg. Palette 1: eight tiles of at most 16 rows of 64 bytes.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

// Keeps stores to memory that tile instructions read, and those instructions, in their order. gcc 12 does not know that
// ldtilecfg and tileloadd read memory: without this it delays or drops stores that nothing else reads.
static LG_ALWAYS_INLINE void OrderMemory(const void* memory) { __asm__ volatile("" : : "r"(memory) : "memory"); }

}  // namespace lg
