// SPDX-License-Identifier: Apache-2.0
// The kernel lab: a second addon, never shipped, through which tests and benchmarks reach every line of every
// kernels.inc. Operands are copied into guarded memory; a kernel that this CPU lacks is refused, not run.
#include <napi.h>

#include <chrono>

#include "lab/call.h"
#include "lab/emulator/emulator.h"
#include "lab/emulator/machine_code.h"
#include "lab/limits.h"
#include "lab/machine.h"
#include "lab/pieces.h"
#include "lab/self_test.h"
#include "lab/threading.h"
#include "lab/throw.h"

namespace lg::lab {
namespace {

const Family* FindFamily(const std::string& name) {
  for (size_t i = 0; const Family* family = FamilyAt(i); ++i) {
    if (name == family->name) return family;
  }
  return nullptr;
}

// kernels(): every line of every kernels.inc that was compiled for this architecture.
Napi::Value Kernels(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Array list = Napi::Array::New(env);
  for (size_t i = 0; const Family* family = FamilyAt(i); ++i) {
    for (size_t j = 0; j < family->count(); ++j) {
      const KernelLine line = family->line(j);
      Napi::Object entry = Napi::Object::New(env);
      entry.Set("family", family->name);
      entry.Set("name", line.name);
      entry.Set("isa", IsaName(line.isa));
      entry.Set("minRows", static_cast<double>(line.min_rows));
      entry.Set("supported", CanRun(line.isa));
      entry.Set("emulated", IsEmulated(line.isa));
      list.Set(list.Length(), entry);
    }
  }
  return list;
}

// select(family, isa name or CPU features, rows): the name of the kernel that the engine would run.
Napi::Value Select(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Family* family = FindFamily(info[0].ToString());
  if (family == nullptr) return ThrowInvalid(env, "Expected the name of a kernel family");
  Isa active = Isa::scalar;
  if (info[1].IsObject()) {
    active = BestIsa(FeaturesFrom(info[1].As<Napi::Object>()));
  } else if (!IsaFromName(info[1].ToString(), &active)) {
    return Throw(env, kUnknownIsa, "Expected the name of an instruction set");
  }
  return Napi::String::New(env, family->select(active, static_cast<size_t>(info[2].ToNumber().Int64Value())));
}

bool PlacementFrom(const std::string& name, Placement* placement) {
  *placement = name == "end" ? Placement::end : name == "odd" ? Placement::odd : Placement::front;
  return name == "front" || name == "end" || name == "odd";
}

// The call that (name, args) describe; null after an error was thrown.
std::unique_ptr<Call> MakeCall(const Napi::CallbackInfo& info, Placement placement) {
  const std::string name = info[0].ToString();
  if (!info[1].IsObject()) {
    ThrowInvalid(info.Env(), "Expected an object of arguments");
    return nullptr;
  }
  for (size_t i = 0; const Family* family = FamilyAt(i); ++i) {
    for (size_t j = 0; j < family->count(); ++j) {
      const KernelLine line = family->line(j);
      if (name != line.name) continue;
      if (!CanRun(line.isa)) {
        Throw(info.Env(), kUnsupportedIsa, name + " needs an instruction set that this CPU lacks");
        return nullptr;
      }
      std::string error;
      std::unique_ptr<Call> call = family->make(j, info[1].As<Napi::Object>(), placement, &error);
      if (call == nullptr) ThrowInvalid(info.Env(), name + ": " + error);
      return call;
    }
  }
  ThrowInvalid(info.Env(), "Expected the name of a kernel, found '" + name + "'");
  return nullptr;
}

// run(name, args, placement): what the kernel wrote.
Napi::Value Run(const Napi::CallbackInfo& info) {
  Placement placement;
  if (!PlacementFrom(info[2].ToString(), &placement)) return ThrowInvalid(info.Env(), "Expected front, end or odd");
  const std::unique_ptr<Call> call = MakeCall(info, placement);
  if (call == nullptr) return info.Env().Undefined();
  call->Run();
  for (const GuardedBuffer& buffer : call->arena) {
    if (!buffer.Intact()) return ThrowInvalid(info.Env(), std::string(info[0].ToString()) + " wrote outside its operands");
  }
  return call->Outputs(info.Env());
}

// prepare(name, args): a function of a number of iterations that runs the kernel so often and returns the seconds it took.
Napi::Value Prepare(const Napi::CallbackInfo& info) {
  const std::shared_ptr<Call> call = MakeCall(info, Placement::front);
  if (call == nullptr) return info.Env().Undefined();
  return Napi::Function::New(info.Env(), [call](const Napi::CallbackInfo& inner) -> Napi::Value {
    const int64_t iterations = inner[0].ToNumber().Int64Value();
    const auto start = std::chrono::steady_clock::now();
    for (int64_t i = 0; i < iterations; ++i) call->Run();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    return Napi::Number::New(inner.Env(), seconds.count());
  });
}

// touch({bytes, offset, placement, write}): accesses one byte of a guarded operand, inside or outside of it. For the
// test that the guards work; an offset outside ends the process.
Napi::Value Touch(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject()) return ThrowInvalid(info.Env(), "Expected an object of arguments");
  const Napi::Object object = info[0].As<Napi::Object>();
  Placement placement;
  if (!PlacementFrom(object.Get("placement").ToString(), &placement)) return ThrowInvalid(info.Env(), "Expected a placement");
  Arena arena;
  Reader in(object, placement, &arena);
  const size_t bytes = in.Count("bytes", 1, 1 << 20);
  volatile uint8_t* data = in.Output<uint8_t>(bytes);
  if (!in.ok()) return ThrowInvalid(info.Env(), in.error());
  const int64_t offset = object.Get("offset").ToNumber().Int64Value();
  if (object.Get("sealed").ToBoolean()) arena.back().Seal();
  if (object.Get("write").ToBoolean()) data[offset] = 0;
  const uint8_t read = data[offset];
  Napi::Object out = Napi::Object::New(info.Env());
  out.Set("value", read);
  out.Set("intact", arena.back().Intact());
  return out;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("kernels", Napi::Function::New(env, Kernels));
  exports.Set("select", Napi::Function::New(env, Select));
  exports.Set("run", Napi::Function::New(env, Run));
  exports.Set("prepare", Napi::Function::New(env, Prepare));
  exports.Set("compiler", Napi::String::New(env, __VERSION__));
  exports.Set("touch", Napi::Function::New(env, Touch));
  AddEmulator(env, exports);
  AddLimits(env, exports);
  AddMachineCode(env, exports);
  AddMachine(env, exports);
  AddPieces(env, exports);
  AddSelfTest(env, exports);
  AddThreading(env, exports);
  return exports;
}

}  // namespace
}  // namespace lg::lab

using lg::lab::Init;
NODE_API_MODULE(NODE_GYP_MODULE_NAME, Init)
