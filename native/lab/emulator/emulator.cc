// SPDX-License-Identifier: Apache-2.0
// What can be emulated on this machine, and the switch that turns it on.
#include "lab/emulator/emulator.h"

#include "lab/emulator/handler.h"
#include "lab/machine.h"

namespace lg::lab {
namespace {

// An instruction set whose own instructions the emulator knows, and the one that its kernels use besides, which the CPU
// must have.
struct Emulated {
  Isa isa;
  Isa base;
};

constexpr Emulated kEmulated[] = {{Isa::avxvnni, Isa::avx2}, {Isa::amx, Isa::avx512vnni}};

bool installed = false;

// Whether the emulator can make up for what this CPU lacks of `isa`.
bool CanEmulate(Isa isa) {
  for (const Emulated& one : kEmulated) {
    if (one.isa == isa) return IsCompiled(isa) && !IsaSupported(isa, HostCpu()) && IsaSupported(one.base, HostCpu());
  }
  return false;
}

// emulate(): turns the emulator on where it has something to do; the names of the instruction sets that it makes up for.
Napi::Value Emulate(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  for (const Emulated& one : kEmulated) {
    if (!CanEmulate(one.isa)) continue;
    installed = installed || InstallEmulator();
    if (installed) names.Set(names.Length(), IsaName(one.isa));
  }
  return names;
}

// emulatedInstructions(): how many there were so far.
Napi::Value Count(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(EmulatedInstructions()));
}

}  // namespace

bool IsEmulated(Isa isa) { return installed && CanEmulate(isa); }

bool CanRun(Isa isa) { return IsaSupported(isa, HostCpu()) || IsEmulated(isa); }

void AddEmulator(Napi::Env env, Napi::Object exports) {
  exports.Set("emulate", Napi::Function::New(env, Emulate));
  exports.Set("emulatedInstructions", Napi::Function::New(env, Count));
}

}  // namespace lg::lab
