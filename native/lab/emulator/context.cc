// SPDX-License-Identifier: Apache-2.0
// The frame holds an XSAVE area (Intel's Software Developer's Manual, volume 1, chapter 13) in its standard format: the
// 512 bytes of FXSAVE, a header, and the extended components at the offsets that CPUID leaf 0xD gives. In the last bytes
// of the FXSAVE part, which the processor leaves to software, Linux notes what it has saved.
#include "lab/emulator/host.h"

#if LG_EMULATOR

#include <cpuid.h>

#include <cstring>

#include "lab/emulator/context.h"

namespace lg::lab {
namespace {

// struct _fpx_sw_bytes of Linux: a magic number, the area's size, and the mask of the components that it has room for.
constexpr size_t kMagicOffset = 464, kMaskOffset = 472;
constexpr uint32_t kMagic = 0x46505853;
// The header's first word: components that are not in their initial state, which is all zeros.
constexpr size_t kInUseOffset = 512;
constexpr uint64_t kSseAndAvx = 0x06;
constexpr int kRegisters = 16;  // those that VEX can name
constexpr size_t kMostPartBytes = 32;

// Register numbers of the encodings, as indices of the frame's general registers.
constexpr int kGeneral[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8,
                            REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};

uint32_t OffsetOf(int component) {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
  __get_cpuid_count(0xd, static_cast<unsigned>(component), &eax, &ebx, &ecx, &edx);
  return ebx;
}

constexpr VectorPart kXmm = {1, 16, 160};
// The bits of a register above those of xmm, and above those of ymm.
const VectorPart kYmmHigh = {2, 16, OffsetOf(2)};
const VectorPart kZmmHigh = {6, 32, OffsetOf(6)};

template <typename T>
T Load(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace

Context::Context(void* ucontext) {
  mcontext_t& machine = static_cast<ucontext_t*>(ucontext)->uc_mcontext;
  general_ = machine.gregs;
  area_ = reinterpret_cast<uint8_t*>(machine.fpregs);
}

bool Context::HasVectors() const {
  return area_ != nullptr && Load<uint32_t>(area_ + kMagicOffset) == kMagic &&
         (Load<uint64_t>(area_ + kMaskOffset) & kSseAndAvx) == kSseAndAvx;
}

const uint8_t* Context::code() const { return reinterpret_cast<const uint8_t*>(general_[REG_RIP]); }

uint64_t Context::General(int number) const {
  return number == kNoRegister ? 0 : static_cast<uint64_t>(general_[kGeneral[number]]);
}

uint8_t* Context::Resolve(const Instruction& in) const {
  const Address& address = in.address;
  uint64_t sum = General(address.base) + General(address.index) * static_cast<uint64_t>(address.scale);
  if (address.base == kRip) sum += static_cast<uint64_t>(in.length);
  return reinterpret_cast<uint8_t*>(sum + static_cast<uint64_t>(int64_t{address.displacement}));
}

void Context::ReadVector(int number, int bytes, uint8_t* to) const {
  ReadPart(kXmm, number, to);
  if (bytes == 32) ReadPart(kYmmHigh, number, to + 16);
}

void Context::WriteVector(int number, int bytes, const uint8_t* from) {
  static constexpr uint8_t kZeros[kMostPartBytes] = {};
  WritePart(kXmm, number, from);
  WritePart(kYmmHigh, number, bytes == 32 ? from + 16 : kZeros);
  if (InUse(kZmmHigh)) WritePart(kZmmHigh, number, kZeros);
}

void Context::Skip(int length) { general_[REG_RIP] += length; }

bool Context::InUse(const VectorPart& part) const { return (Load<uint64_t>(area_ + kInUseOffset) >> part.component & 1) != 0; }

void Context::ReadPart(const VectorPart& part, int number, uint8_t* to) const {
  const size_t bytes = static_cast<size_t>(part.register_bytes);
  if (InUse(part)) {
    std::memcpy(to, area_ + part.offset + bytes * static_cast<size_t>(number), bytes);
  } else {
    std::memset(to, 0, bytes);
  }
}

void Context::WritePart(const VectorPart& part, int number, const uint8_t* from) {
  const size_t bytes = static_cast<size_t>(part.register_bytes);
  uint8_t* registers = area_ + part.offset;
  if (!InUse(part)) {
    std::memset(registers, 0, kRegisters * bytes);
    const uint64_t in_use = Load<uint64_t>(area_ + kInUseOffset) | uint64_t{1} << part.component;
    std::memcpy(area_ + kInUseOffset, &in_use, sizeof in_use);
  }
  std::memcpy(registers + bytes * static_cast<size_t>(number), from, bytes);
}

}  // namespace lg::lab

#endif
