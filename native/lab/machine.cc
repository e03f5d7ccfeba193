// SPDX-License-Identifier: Apache-2.0
// Detection and policy with the machine as an argument.
#include "lab/machine.h"

#include "lab/throw.h"

namespace lg::lab {
namespace {

struct Flag {
  const char* name;
  bool CpuFeatures::*member;
};

constexpr Flag kFlags[] = {
    {"avx2", &CpuFeatures::avx2},     {"fma", &CpuFeatures::fma},
    {"f16c", &CpuFeatures::f16c},     {"avxvnni", &CpuFeatures::avxvnni},
    {"avx512", &CpuFeatures::avx512}, {"avx512vnni", &CpuFeatures::avx512vnni},
    {"amx", &CpuFeatures::amx},       {"neon", &CpuFeatures::neon},
    {"dotprod", &CpuFeatures::dotprod}, {"i8mm", &CpuFeatures::i8mm},
};

uint64_t Word(Napi::Object raw, const char* name) {
  const Napi::Value value = raw.Get(name);
  return value.IsNumber() ? static_cast<uint64_t>(value.As<Napi::Number>().Int64Value()) : 0;
}

RawCpu RawFrom(Napi::Object object) {
  RawCpu raw;
  raw.leaf1_ecx = static_cast<uint32_t>(Word(object, "leaf1Ecx"));
  raw.leaf7_ebx = static_cast<uint32_t>(Word(object, "leaf7Ebx"));
  raw.leaf7_ecx = static_cast<uint32_t>(Word(object, "leaf7Ecx"));
  raw.leaf7_edx = static_cast<uint32_t>(Word(object, "leaf7Edx"));
  raw.leaf7_1_eax = static_cast<uint32_t>(Word(object, "leaf7Sub1Eax"));
  raw.xcr0 = Word(object, "xcr0");
  raw.tile_permission = Word(object, "tilePermission") != 0;
  raw.hwcap = Word(object, "hwcap");
  raw.hwcap2 = Word(object, "hwcap2");
  return raw;
}

Napi::Object ToObject(Napi::Env env, const CpuFeatures& features) {
  Napi::Object object = Napi::Object::New(env);
  for (const Flag& flag : kFlags) object.Set(flag.name, features.*flag.member);
  return object;
}

template <CpuFeatures (*Interpret)(const RawCpu&)>
Napi::Value InterpretRaw(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject()) return ThrowInvalid(info.Env(), "Expected the raw words of a CPU");
  return ToObject(info.Env(), Interpret(RawFrom(info[0].As<Napi::Object>())));
}

Napi::Value ReadRaw(const Napi::CallbackInfo& info) {
  const RawCpu raw = ReadRawCpu();
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("leaf1Ecx", raw.leaf1_ecx);
  object.Set("leaf7Ebx", raw.leaf7_ebx);
  object.Set("leaf7Ecx", raw.leaf7_ecx);
  object.Set("leaf7Edx", raw.leaf7_edx);
  object.Set("leaf7Sub1Eax", raw.leaf7_1_eax);
  object.Set("xcr0", static_cast<double>(raw.xcr0));
  object.Set("tilePermission", raw.tile_permission ? 1 : 0);
  object.Set("hwcap", static_cast<double>(raw.hwcap));
  object.Set("hwcap2", static_cast<double>(raw.hwcap2));
  return object;
}

// Every instruction set that the project knows: {name, compiled, supported}, for a machine or for this one.
Napi::Value Isas(const Napi::CallbackInfo& info) {
  const CpuFeatures features = info[0].IsObject() ? FeaturesFrom(info[0].As<Napi::Object>()) : HostCpu();
  Napi::Array list = Napi::Array::New(info.Env());
  for (size_t i = 0; i < kIsaCount; ++i) {
    const Isa isa = static_cast<Isa>(i);
    Napi::Object entry = Napi::Object::New(info.Env());
    entry.Set("name", IsaName(isa));
    entry.Set("compiled", IsCompiled(isa));
    entry.Set("supported", IsaSupported(isa, features));
    list.Set(static_cast<uint32_t>(i), entry);
  }
  return list;
}

Napi::Value Best(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject()) return ThrowInvalid(info.Env(), "Expected an object of CPU features");
  return Napi::String::New(info.Env(), IsaName(BestIsa(FeaturesFrom(info[0].As<Napi::Object>()))));
}

// resolveIsa(name, features): what LLAMA_GUARD_ISA=name means on a CPU with these features.
Napi::Value Resolve(const Napi::CallbackInfo& info) {
  if (!info[0].IsString() || !info[1].IsObject()) return ThrowInvalid(info.Env(), "Expected a name and CPU features");
  Isa isa;
  const Status status = ResolveIsa(info[0].As<Napi::String>(), FeaturesFrom(info[1].As<Napi::Object>()), &isa);
  if (!status.ok()) return Throw(info.Env(), status.code(), status.message());
  return Napi::String::New(info.Env(), IsaName(isa));
}

}  // namespace

CpuFeatures FeaturesFrom(Napi::Object flags) {
  CpuFeatures features;
  for (const Flag& flag : kFlags) features.*flag.member = flags.Get(flag.name).ToBoolean();
  return features;
}

bool IsCompiled(Isa isa) {
  const Isa* compiled;
  const size_t count = CompiledIsas(&compiled);
  for (size_t i = 0; i < count; ++i) {
    if (compiled[i] == isa) return true;
  }
  return false;
}

bool IsaFromName(const std::string& name, Isa* isa) {
  for (size_t i = 0; i < kIsaCount; ++i) {
    *isa = static_cast<Isa>(i);
    if (name == IsaName(*isa)) return true;
  }
  return false;
}

void AddMachine(Napi::Env env, Napi::Object exports) {
  exports.Set("isas", Napi::Function::New(env, Isas));
  exports.Set("bestIsa", Napi::Function::New(env, Best));
  exports.Set("resolveIsa", Napi::Function::New(env, Resolve));
  exports.Set("interpretX86", Napi::Function::New(env, InterpretRaw<InterpretX86>));
  exports.Set("interpretArm64", Napi::Function::New(env, InterpretRaw<InterpretArm64>));
  exports.Set("readRawCpu", Napi::Function::New(env, ReadRaw));
}

}  // namespace lg::lab
