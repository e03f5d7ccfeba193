// SPDX-License-Identifier: Apache-2.0
// The door between JavaScript and the core: lib/native/addon.ts describes what is exported here.
#include <napi.h>

#include "base/isa.h"
#include "binding/addon_data.h"
#include "binding/arguments.h"
#include "binding/machine.h"
#include "binding/model.h"
#include "binding/packing.h"
#include "binding/sequence.h"
#include "ops/kernel_set.h"
#include "runtime/float_env.h"

namespace lg {
namespace {

constexpr size_t kMostSoftmax = 1 << 20;

Napi::Value SoftmaxBinding(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Float32Array x;
  Status status = ReadTypedArray(info[0], "logits", napi_float32_array, &x);
  if (status.ok() && (x.ElementLength() == 0 || x.ElementLength() > kMostSoftmax)) status = BadArgument("1..2^20 logits");
  if (!status.ok()) return Throw(env, status);
  Napi::Float32Array y = Napi::Float32Array::New(env, x.ElementLength());
  if (env.IsExceptionPending()) return env.Undefined();
  const ScopedFloatEnv float_env;
  KernelSet(BestIsa(HostCpu())).softmax({x.Data(), x.ElementLength(), y.Data()});
  return y;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto* data = new AddonData{DefineModelClass(env), DefineSequenceClass(env)};
  env.SetInstanceData(data);  // deleted with the environment
  exports.Set("isas", Napi::Function::New<IsasBinding>(env, "isas"));
  exports.Set("topology", Napi::Function::New<TopologyBinding>(env, "topology"));
  exports.Set("selfTest", Napi::Function::New<SelfTestBinding>(env, "selfTest"));
  exports.Set("readBandwidth", Napi::Function::New<ReadBandwidthBinding>(env, "readBandwidth"));
  exports.Set("softmax", Napi::Function::New<SoftmaxBinding>(env, "softmax"));
  exports.Set("loadModel", Napi::Function::New<LoadModel>(env, "loadModel"));
  exports.Set("quantizeRows", Napi::Function::New<QuantizeRowsBinding>(env, "quantizeRows"));
  exports.Set("packPanels", Napi::Function::New<PackPanelsBinding>(env, "packPanels"));
  return exports;
}

NODE_API_MODULE(NODE_GYP_MODULE_NAME, Init)

}  // namespace
}  // namespace lg
