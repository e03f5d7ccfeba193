// SPDX-License-Identifier: Apache-2.0
// Machine code of the instructions that the emulator knows, taken apart. Knows nothing of the operating system.
#pragma once

#include <cstdint>

namespace lg::lab {

enum class Op : uint8_t {
  vpdpbusd,
  ldtilecfg,
  sttilecfg,
  tilerelease,
  tilezero,
  tileloadd,  // and tileloaddt1, which differs by a hint for caches
  tilestored,
  tdpbssd,
  tdpbsud,
  tdpbusd,
  tdpbuud,
};

constexpr int kNoRegister = -1;
constexpr int kRip = 16;  // as a base: the address of the next instruction

// base + index * scale + displacement; registers by the numbers of their encodings, rax = 0 to r15 = 15.
struct Address {
  int base = kNoRegister;
  int index = kNoRegister;
  int scale = 1;
  int32_t displacement = 0;
};

struct Instruction {
  Op op = Op::vpdpbusd;
  const char* name = nullptr;
  int length = 0;        // bytes
  int vector_bytes = 0;  // of a vector register: 16 or 32; 16 where there is none
  int reg = 0;           // ModRM.reg
  int vvvv = 0;
  int rm = kNoRegister;  // kNoRegister: the operand is in memory, at `address`
  Address address;
};

// Reads no further than the instruction goes. False when `code` is none of these instructions.
bool Decode(const uint8_t* code, Instruction* instruction);

}  // namespace lg::lab
