// SPDX-License-Identifier: Apache-2.0
#include "lab/emulator/machine_code.h"

#include "lab/emulator/host.h"

#if LG_EMULATOR

#include <sys/mman.h>

#include <algorithm>

#include "lab/call.h"
#include "lab/emulator/decode.h"
#include "lab/threads.h"
#include "lab/throw.h"

namespace lg::lab {
namespace {

constexpr size_t kMostImageBytes = 1 << 24;
constexpr size_t kPageBytes = 4096;
constexpr int kMostInstructionBytes = 15;

Napi::Object ToObject(Napi::Env env, const Instruction& in) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", in.name);
  object.Set("length", in.length);
  object.Set("vectorBytes", in.vector_bytes);
  object.Set("reg", in.reg);
  object.Set("vvvv", in.vvvv);
  if (in.rm != kNoRegister) {
    object.Set("rm", in.rm);
    return object;
  }
  object.Set("base", in.address.base);
  object.Set("index", in.address.index);
  object.Set("scale", in.address.scale);
  object.Set("displacement", in.address.displacement);
  return object;
}

// decode(code): the instruction that `code` begins with; undefined when the emulator does not know it.
Napi::Value DecodeBytes(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray()) return ThrowInvalid(info.Env(), "Expected a Uint8Array");
  const auto code = info[0].As<Napi::Uint8Array>();
  uint8_t bytes[kMostInstructionBytes] = {};
  const size_t count = std::min(code.ElementLength(), sizeof bytes);
  std::copy_n(code.Data(), count, bytes);
  Instruction in;
  const bool known = Decode(bytes, &in) && static_cast<size_t>(in.length) <= count;
  return known ? ToObject(info.Env(), in) : info.Env().Undefined();
}

// execute({image, bytes, codeBytes, threads}): calls the program at the start of the image on so many threads at once, as
// void(uint8_t* memory, size_t thread) where `memory` is the image behind its code; returns that memory. An inaccessible
// page follows it. All sizes are multiples of a page.
Napi::Value Execute(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject()) return ThrowInvalid(info.Env(), "Expected an object of arguments");
  Arena arena;
  Reader in(info[0].As<Napi::Object>(), Placement::end, &arena);
  const size_t bytes = in.Count("bytes", 2 * kPageBytes, kMostImageBytes, kPageBytes);
  const size_t code_bytes = in.Count("codeBytes", kPageBytes, bytes - kPageBytes, kPageBytes);
  const size_t threads = in.Count("threads", 1, 16);
  uint8_t* image = in.InOut<uint8_t>("image", bytes);
  if (!in.ok()) return ThrowInvalid(info.Env(), in.error());
  if (mprotect(image, code_bytes, PROT_READ | PROT_EXEC) != 0) return ThrowInvalid(info.Env(), "Code may not be run here");
  uint8_t* memory = image + code_bytes;
  const auto program = reinterpret_cast<void (*)(uint8_t*, size_t)>(image);
  OnThreads(threads, [&](size_t thread) { program(memory, thread); });
  return CopyOut(info.Env(), memory, bytes - code_bytes);
}

}  // namespace

void AddMachineCode(Napi::Env env, Napi::Object exports) {
  exports.Set("decode", Napi::Function::New(env, DecodeBytes));
  exports.Set("execute", Napi::Function::New(env, Execute));
}

}  // namespace lg::lab

#else

namespace lg::lab {

void AddMachineCode(Napi::Env, Napi::Object) {}

}  // namespace lg::lab

#endif
