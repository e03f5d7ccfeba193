// SPDX-License-Identifier: Apache-2.0
#include "binding/machine.h"

#include <vector>

#include "base/isa.h"
#include "binding/promise_worker.h"
#include "runtime/read_bandwidth.h"
#include "runtime/topology.h"
#include "selftest/selftest.h"

namespace lg {
namespace {

constexpr size_t kMostThreads = 256;
constexpr size_t kMostBytes = size_t{1} << 32;
constexpr size_t kBandwidthPasses = 3;

Napi::Array ToArray(Napi::Env env, const std::vector<int>& numbers) {
  Napi::Array array = Napi::Array::New(env, numbers.size());
  for (uint32_t i = 0; i < numbers.size(); ++i) array.Set(i, numbers[i]);
  return array;
}

Napi::Array ToArray(Napi::Env env, const std::vector<SelfTestLine>& lines) {
  Napi::Array array = Napi::Array::New(env, lines.size());
  for (uint32_t i = 0; i < lines.size(); ++i) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("family", lines[i].family);
    entry.Set("kernel", lines[i].kernel);
    entry.Set("isa", IsaName(lines[i].isa));
    entry.Set("health", KernelHealthName(lines[i].health));
    array.Set(i, entry);
  }
  return array;
}

}  // namespace

Napi::Value IsasBinding(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Isa* isas;
  const size_t count = CompiledIsas(&isas);
  Napi::Array list = Napi::Array::New(env, count);
  for (uint32_t i = 0; i < count; ++i) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", IsaName(isas[i]));
    entry.Set("supported", Napi::Boolean::New(env, IsaSupported(isas[i], HostCpu())));
    list.Set(i, entry);
  }
  return list;
}

Napi::Value TopologyBinding(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::vector<int> usable = UsableCpus();
  const ThreadPlan plan = PlanThreads("", usable);
  Napi::Object out = Napi::Object::New(env);
  out.Set("usableCpus", ToArray(env, usable));
  out.Set("bigCpus", ToArray(env, BigCpus("", usable)));
  out.Set("cpuQuota", static_cast<double>(CgroupCpus("")));
  out.Set("defaultThreads", static_cast<double>(plan.threads));
  out.Set("pinnedCpus", ToArray(env, plan.cpus));
  return out;
}

Napi::Value SelfTestBinding(const Napi::CallbackInfo& info) {
  auto lines = std::make_shared<std::vector<SelfTestLine>>();
  return PromiseWorker::Start(
      info.Env(), [lines] { return SelfTest(HostCpu(), KernelLists(), lines.get()); }, [] {},
      [lines](Napi::Env env) -> Napi::Value { return ToArray(env, *lines); });
}

Napi::Value ReadBandwidthBinding(const Napi::CallbackInfo& info) {
  size_t threads = 0, bytes = 0;
  Status status = ReadSize(info[0], "threads", kMostThreads, &threads);
  if (status.ok()) status = ReadSize(info[1], "bytes", kMostBytes, &bytes);
  if (status.ok() && (threads == 0 || bytes == 0)) status = BadArgument("threads and bytes of at least 1");
  if (!status.ok()) return Throw(info.Env(), status);
  auto rate = std::make_shared<double>(0.0);
  return PromiseWorker::Start(
      info.Env(),
      [=] {
        *rate = ReadBandwidth(bytes, threads, kBandwidthPasses);
        if (*rate > 0.0) return Status::Ok();
        return Status::Error(kOutOfMemory, "Expected " + std::to_string(bytes) + " bytes of memory to read, found too little");
      },
      [] {}, [rate](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, *rate); });
}

}  // namespace lg
