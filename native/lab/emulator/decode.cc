// SPDX-License-Identifier: Apache-2.0
// The encodings are those of Intel's Software Developer's Manual, volume 2: a three-byte VEX prefix (2.3.5), opcode,
// ModRM, SIB and displacement (2.1.3). All of these instructions lie in the opcode map 0F38 and have VEX.W = 0. Other
// prefixes in front (segments, 32-bit addresses) are not known here, since no compiler puts them into a kernel.
#include "lab/emulator/host.h"

#if LG_EMULATOR

#include <cstring>

#include "lab/emulator/decode.h"

namespace lg::lab {
namespace {

constexpr uint8_t kVex3 = 0xc4;
constexpr int kMap0F38 = 2;
constexpr int kTiles = 8;

// The prefix that VEX stands for, in its field pp.
enum Prefix : uint8_t { kNone, k66, kF3, kF2 };

// Which operands an instruction has.
enum class Form : uint8_t {
  vectors,      // reg, vvvv, and rm or memory
  none,         // ModRM is C0
  memory,       // memory; reg is 0
  tile,         // reg; rm is 0
  tile_memory,  // reg and memory with a SIB byte
  tiles,        // reg, rm and vvvv
};

struct Encoding {
  const char* name;
  Op op;
  Prefix prefix;
  uint8_t opcode;
  Form form;
};

constexpr Encoding kEncodings[] = {
    {"vpdpbusd", Op::vpdpbusd, k66, 0x50, Form::vectors},
    {"ldtilecfg", Op::ldtilecfg, kNone, 0x49, Form::memory},
    {"tilerelease", Op::tilerelease, kNone, 0x49, Form::none},
    {"sttilecfg", Op::sttilecfg, k66, 0x49, Form::memory},
    {"tilezero", Op::tilezero, kF2, 0x49, Form::tile},
    {"tileloadd", Op::tileloadd, kF2, 0x4b, Form::tile_memory},
    {"tileloaddt1", Op::tileloadd, k66, 0x4b, Form::tile_memory},
    {"tilestored", Op::tilestored, kF3, 0x4b, Form::tile_memory},
    {"tdpbssd", Op::tdpbssd, kF2, 0x5e, Form::tiles},
    {"tdpbsud", Op::tdpbsud, kF3, 0x5e, Form::tiles},
    {"tdpbusd", Op::tdpbusd, k66, 0x5e, Form::tiles},
    {"tdpbuud", Op::tdpbuud, kNone, 0x5e, Form::tiles},
};

struct ModRm {
  int mod, reg, rm;
};

constexpr ModRm Split(uint8_t byte) { return {byte >> 6, (byte >> 3) & 7, byte & 7}; }

// The memory operand of `modrm`, whose SIB byte or displacement begins at `bytes`; returns the bytes it takes.
// `x` and `b` are the fourth bits of index and base.
int ReadAddress(ModRm modrm, int x, int b, const uint8_t* bytes, Address* address) {
  int used = 0, displacement_bytes = modrm.mod == 1 ? 1 : modrm.mod == 2 ? 4 : 0;
  address->base = modrm.rm | b;
  if (modrm.rm == 4) {
    const ModRm sib = Split(bytes[used++]);  // scale, index, base
    address->scale = 1 << sib.mod;
    if ((sib.reg | x) != 4) address->index = sib.reg | x;
    address->base = sib.rm | b;
    if (sib.rm == 5 && modrm.mod == 0) {
      address->base = kNoRegister;
      displacement_bytes = 4;
    }
  } else if (modrm.rm == 5 && modrm.mod == 0) {
    address->base = kRip;
    displacement_bytes = 4;
  }
  if (displacement_bytes == 1) address->displacement = static_cast<int8_t>(bytes[used]);
  if (displacement_bytes == 4) std::memcpy(&address->displacement, bytes + used, 4);
  return used + displacement_bytes;
}

// Whether an instruction with these fields has the operands of `form`. What a form does not use must be 0, but for VEX.X
// beside a register.
bool Has(Form form, ModRm modrm, const Instruction& in) {
  const bool memory = modrm.mod != 3;
  if (form == Form::vectors) return true;
  if (in.vector_bytes != 16 || in.reg >= kTiles) return false;
  if (form == Form::tiles) return !memory && in.rm < kTiles && in.vvvv < kTiles;
  if (in.vvvv != 0) return false;
  switch (form) {
    case Form::memory: return memory && in.reg == 0;
    case Form::tile_memory: return memory && modrm.rm == 4;
    case Form::tile: return !memory && in.rm == 0;
    default: return !memory && in.rm == 0 && in.reg == 0;
  }
}

}  // namespace

bool Decode(const uint8_t* code, Instruction* instruction) {
  if (code[0] != kVex3 || (code[1] & 0x1f) != kMap0F38 || (code[2] & 0x80) != 0) return false;
  // VEX holds R, X, B and vvvv inverted.
  const int r = (~code[1] >> 4) & 8, x = (~code[1] >> 3) & 8, b = (~code[1] >> 2) & 8;
  for (const Encoding& encoding : kEncodings) {
    if (encoding.opcode != code[3] || encoding.prefix != (code[2] & 3)) continue;
    const ModRm modrm = Split(code[4]);
    Instruction in;
    in.op = encoding.op;
    in.name = encoding.name;
    in.vector_bytes = (code[2] & 4) != 0 ? 32 : 16;
    in.reg = modrm.reg | r;
    in.vvvv = (~code[2] >> 3) & 15;
    if (modrm.mod == 3) in.rm = modrm.rm | b;
    if (!Has(encoding.form, modrm, in)) continue;
    in.length = 5 + (modrm.mod == 3 ? 0 : ReadAddress(modrm, x, b, code + 5, &in.address));
    *instruction = in;
    return true;
  }
  return false;
}

}  // namespace lg::lab

#endif
