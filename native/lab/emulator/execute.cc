// SPDX-License-Identifier: Apache-2.0
#include "lab/emulator/host.h"

#if LG_EMULATOR

#include <cstring>

#include "lab/emulator/bytes.h"
#include "lab/emulator/execute.h"
#include "lab/emulator/tiles.h"

namespace lg::lab {
namespace {

constexpr int kMostVectorBytes = 32;

// The first use in a thread allocates it, in a signal's handler. That is safe here: the thread has stopped at an
// instruction of a kernel, so it is not in the middle of an allocation.
thread_local Tiles tiles;

// reg += unsigned bytes of vvvv * signed bytes of rm, in each dword.
void Vpdpbusd(const Instruction& in, Context* context) {
  uint8_t sums[kMostVectorBytes], a[kMostVectorBytes], b[kMostVectorBytes];
  context->ReadVector(in.reg, in.vector_bytes, sums);
  context->ReadVector(in.vvvv, in.vector_bytes, a);
  if (in.rm == kNoRegister) {
    std::memcpy(b, context->Resolve(in), static_cast<size_t>(in.vector_bytes));
  } else {
    context->ReadVector(in.rm, in.vector_bytes, b);
  }
  for (int i = 0; i < in.vector_bytes; i += 4) AddProducts<uint8_t, int8_t>(sums + i, a + i, b + i);
  context->WriteVector(in.reg, in.vector_bytes, sums);
}

// The operand of tileloadd and tilestored: its index register is the distance of rows, not a part of the address.
struct TileRows {
  uint8_t* memory;
  uint64_t stride;
};

TileRows RowsOf(const Instruction& in, const Context& context) {
  Instruction first = in;
  first.address.index = kNoRegister;
  return {context.Resolve(first), context.General(in.address.index) * static_cast<uint64_t>(in.address.scale)};
}

}  // namespace

Fault Execute(const Instruction& in, Context* context) {
  switch (in.op) {
    case Op::vpdpbusd: Vpdpbusd(in, context); return {};
    case Op::ldtilecfg: return tiles.LoadConfiguration(context->Resolve(in));
    case Op::sttilecfg: tiles.StoreConfiguration(context->Resolve(in)); return {};
    case Op::tilerelease: tiles.Release(); return {};
    case Op::tilezero: return tiles.Zero(in.reg);
    case Op::tileloadd: {
      const TileRows rows = RowsOf(in, *context);
      return tiles.Load(in.reg, rows.memory, rows.stride);
    }
    case Op::tilestored: {
      const TileRows rows = RowsOf(in, *context);
      return tiles.Store(in.reg, rows.memory, rows.stride);
    }
    case Op::tdpbssd: return tiles.Multiply<int8_t, int8_t>(in.reg, in.rm, in.vvvv);
    case Op::tdpbsud: return tiles.Multiply<int8_t, uint8_t>(in.reg, in.rm, in.vvvv);
    case Op::tdpbusd: return tiles.Multiply<uint8_t, int8_t>(in.reg, in.rm, in.vvvv);
    case Op::tdpbuud: return tiles.Multiply<uint8_t, uint8_t>(in.reg, in.rm, in.vvvv);
  }
  return {};
}

}  // namespace lg::lab

#endif
