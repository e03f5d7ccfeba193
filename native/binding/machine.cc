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

// Sets a property by Node-API's own calls: each use of node-addon-api's Set makes the addon a kilobyte or two larger. They
// fail only where an exception is pending already.
void Put(const Napi::Object& object, const char* name, const Napi::Value& value) {
  napi_set_named_property(object.Env(), object, name, value);
}

void Put(const Napi::Object& object, const char* name, const char* text) {
  napi_value value;
  if (napi_create_string_utf8(object.Env(), text, NAPI_AUTO_LENGTH, &value) == napi_ok) Put(object, name, Napi::Value(object.Env(), value));
}

void Put(const Napi::Object& object, const char* name, size_t number) {
  napi_value value;
  if (napi_create_double(object.Env(), static_cast<double>(number), &value) == napi_ok) Put(object, name, Napi::Value(object.Env(), value));
}

Napi::Array ToArray(Napi::Env env, const std::vector<int>& numbers) {
  Napi::Array array = Napi::Array::New(env, numbers.size());
  for (uint32_t i = 0; i < numbers.size(); ++i) array.Set(i, numbers[i]);
  return array;
}

Napi::Array ToArray(Napi::Env env, const std::vector<SelfTestLine>& lines) {
  Napi::Array array = Napi::Array::New(env, lines.size());
  for (uint32_t i = 0; i < lines.size(); ++i) {
    Napi::Object entry = Napi::Object::New(env);
    Put(entry, "family", lines[i].family);
    Put(entry, "kernel", lines[i].kernel);
    Put(entry, "isa", IsaName(lines[i].isa));
    Put(entry, "health", KernelHealthName(lines[i].health));
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
    Put(entry, "name", IsaName(isas[i]));
    Put(entry, "supported", Napi::Boolean::New(env, IsaSupported(isas[i], HostCpu())));
    list.Set(i, entry);
  }
  return list;
}

Napi::Value TopologyBinding(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::vector<int> usable = UsableCpus();
  const ThreadPlan plan = PlanThreads("", usable);
  Napi::Object out = Napi::Object::New(env);
  Put(out, "usableCpus", ToArray(env, usable));
  Put(out, "bigCpus", ToArray(env, BigCpus("", usable)));
  Put(out, "cpuQuota", CgroupCpus(""));
  Put(out, "defaultThreads", plan.threads);
  Put(out, "pinnedCpus", ToArray(env, plan.cpus));
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
