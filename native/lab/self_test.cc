// SPDX-License-Identifier: Apache-2.0
// The self-test with the CPU as an argument, and with kernels that are wrong on purpose: it must find each of them.
#include "lab/self_test.h"

#include "lab/machine.h"
#include "lab/throw.h"
#include "selftest/selftest.h"

namespace lg::lab {
namespace {

// The last value that a kernel writes.
float* Last(const SoftmaxArgs& a) { return a.y + a.n - 1; }
float* Last(const RmsNormArgs& a) { return a.y + a.n - 1; }
float* Last(const RopeArgs& a) { return a.x + a.heads * a.head_dim - 1; }
float* Last(const SiluMulArgs& a) { return a.y + (a.rows - 1) * a.y_stride + a.n - 1; }
float* Last(const Q4Q8MatmulArgs& a) { return a.c + (a.m - 1) * a.c_stride + a.panel_count * kPanelRows - 1; }
int8_t* Last(const QuantizeQ8Args& a) { return a.q + a.k - 1; }
uint16_t* Last(const KvStoreArgs& a) { return a.block + (kKeyBlock + a.slot + a.rows) * a.head_dim - 1; }
float* Last(const AttentionArgs& a) {
  const AttentionRun& run = a.runs[a.run_count - 1];
  return run.out + (run.rows - 1) * a.stride + a.heads * a.head_dim - 1;
}

// What the scalar kernel does, with the lowest bit of the last value turned.
template <auto List, typename Args>
void Spoiled(const Args& args) {
  List().kernels[0].run(args);
  *reinterpret_cast<uint8_t*>(Last(args)) ^= 1;
}

// The family's scalar kernel and a spoiled one.
template <auto List, typename Args>
KernelList<void(const Args&)> SpoiledList() {
  static const Kernel<void(const Args&)> kernels[] = {List().kernels[0], {"spoiled", Isa::scalar, Spoiled<List, Args>, 1}};
  return {kernels, 2};
}

KernelLists SpoiledLists() {
  return {SpoiledList<AttentionKernels, AttentionArgs>(),   SpoiledList<KvStoreKernels, KvStoreArgs>(),
          SpoiledList<Q4Q8MatmulKernels, Q4Q8MatmulArgs>(), SpoiledList<QuantizeQ8Kernels, QuantizeQ8Args>(),
          SpoiledList<RmsNormKernels, RmsNormArgs>(),       SpoiledList<RopeKernels, RopeArgs>(),
          SpoiledList<SiluMulKernels, SiluMulArgs>(),       SpoiledList<SoftmaxKernels, SoftmaxArgs>()};
}

// selfTest({cpu: CPU features, spoiled?}): a line for each kernel.
Napi::Value RunSelfTest(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Object options = info[0].IsObject() ? info[0].As<Napi::Object>() : Napi::Object::New(env);
  const Napi::Value cpu = options.Get("cpu");
  if (!cpu.IsObject()) return ThrowInvalid(env, "Expected 'cpu' to be an object of CPU features");
  const KernelLists lists = options.Get("spoiled").ToBoolean() ? SpoiledLists() : KernelLists();
  std::vector<SelfTestLine> lines;
  const Status status = SelfTest(FeaturesFrom(cpu.As<Napi::Object>()), lists, &lines);
  if (!status.ok()) return Throw(env, status.code(), status.message());
  Napi::Array result = Napi::Array::New(env);
  for (const SelfTestLine& line : lines) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("family", line.family);
    entry.Set("kernel", line.kernel);
    entry.Set("health", KernelHealthName(line.health));
    result.Set(result.Length(), entry);
  }
  return result;
}

}  // namespace

void AddSelfTest(Napi::Env env, Napi::Object exports) { exports.Set("selfTest", Napi::Function::New(env, RunSelfTest)); }

}  // namespace lg::lab
