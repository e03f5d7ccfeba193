// SPDX-License-Identifier: Apache-2.0
// The registers of a thread that a signal has stopped, as Linux lays them out in the signal's frame. The thread goes on
// with what was written here. For x86-64 Linux alone.
#pragma once

#include <ucontext.h>

#include <cstdint>

#include "lab/emulator/decode.h"

namespace lg::lab {

// Where an XSAVE area in the standard format keeps a part of the vector registers.
struct VectorPart {
  int component;       // its bit in the masks of components
  int register_bytes;  // of each of the 16 registers
  uint32_t offset;     // in the area
};

class Context {
 public:
  // The third argument of a handler with SA_SIGINFO.
  explicit Context(void* ucontext);

  // False where the frame holds no XSAVE area with the ymm registers.
  bool HasVectors() const;
  // Where the thread stopped.
  const uint8_t* code() const;
  // The content of a general register; 0 for kNoRegister.
  uint64_t General(int number) const;
  // Where the operand lies, for an instruction at code().
  uint8_t* Resolve(const Instruction& in) const;
  // The lowest `bytes` (16 or 32) of a vector register.
  void ReadVector(int number, int bytes, uint8_t* to) const;
  // The same; every bit above becomes 0, as VEX has it.
  void WriteVector(int number, int bytes, const uint8_t* from);
  // Lets the thread go on behind an instruction of `length` bytes.
  void Skip(int length);

 private:
  bool InUse(const VectorPart& part) const;
  void ReadPart(const VectorPart& part, int number, uint8_t* to) const;
  void WritePart(const VectorPart& part, int number, const uint8_t* from);

  greg_t* general_;
  uint8_t* area_;
};

}  // namespace lg::lab
