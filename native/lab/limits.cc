// SPDX-License-Identifier: Apache-2.0
// A limit is the best of several passes: whatever disturbs a pass makes it slower, never faster. A pass lasts
// milliseconds, so that starting threads does not count.
#include "lab/limits.h"

#include <algorithm>
#include <chrono>

#include "base/isa.h"
#include "lab/loops.h"
#include "lab/machine.h"
#include "lab/reader.h"
#include "lab/threads.h"
#include "lab/throw.h"
#include "runtime/read_bandwidth.h"

namespace lg::lab {
namespace {

constexpr size_t kPeakIterations = 1 << 18;  // 1 to 10 ms

// Runs work(t) on so many threads and returns the seconds until the last ends.
template <typename Work>
double SecondsOn(size_t threads, Work work) {
  const auto start = std::chrono::steady_clock::now();
  OnThreads(threads, work);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

template <typename Pass>
double BestRate(size_t passes, double units, Pass pass) {
  double best = 0.0;
  for (size_t i = 0; i < passes; ++i) {
    best = std::max(best, units / pass());
  }
  return best;
}

bool IsSupported(const PeakLoop& loop) {
  Isa isa;
  return IsaFromName(loop.isa, &isa) && IsaSupported(isa, HostCpu());
}

// peaks(): the limits of arithmetic that this lab has a loop for.
Napi::Value Peaks(const Napi::CallbackInfo& info) {
  const PeakLoop* loops = nullptr;
  const size_t count = PeakLoops(&loops);
  Napi::Array list = Napi::Array::New(info.Env());
  for (size_t i = 0; i < count; ++i) {
    Napi::Object entry = Napi::Object::New(info.Env());
    entry.Set("isa", loops[i].isa);
    entry.Set("type", loops[i].type);
    entry.Set("supported", IsSupported(loops[i]));
    list.Set(list.Length(), entry);
  }
  return list;
}

// measurePeak({isa, type, threads, passes}): operations per second.
Napi::Value MeasurePeak(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject()) return ThrowInvalid(info.Env(), "Expected an object of arguments");
  const Napi::Object object = info[0].As<Napi::Object>();
  Arena arena;
  Reader in(object, Placement::front, &arena);
  const size_t threads = in.Count("threads", 1, 256), passes = in.Count("passes", 1, 1000);
  if (!in.ok()) return ThrowInvalid(info.Env(), in.error());
  const std::string isa = object.Get("isa").ToString(), type = object.Get("type").ToString();
  const PeakLoop* loops = nullptr;
  const size_t count = PeakLoops(&loops);
  for (size_t i = 0; i < count; ++i) {
    const PeakLoop& loop = loops[i];
    if (isa != loop.isa || type != loop.type) continue;
    if (!IsSupported(loop)) return Throw(info.Env(), kUnsupportedIsa, "This CPU lacks " + isa);
    const double operations = loop.operations * static_cast<double>(kPeakIterations * threads);
    return Napi::Number::New(info.Env(), BestRate(passes, operations, [&] {
      return SecondsOn(threads, [&](size_t) { loop.run(kPeakIterations); });
    }));
  }
  return ThrowInvalid(info.Env(), "Expected an instruction set and a type that peaks() lists");
}

// readBandwidth({bytes, threads, passes}): bytes per second; `bytes` are those of all threads together.
Napi::Value Bandwidth(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject()) return ThrowInvalid(info.Env(), "Expected an object of arguments");
  Arena arena;
  Reader in(info[0].As<Napi::Object>(), Placement::front, &arena);
  const size_t bytes = in.Count("bytes", 1, size_t{1} << 32);
  const size_t threads = in.Count("threads", 1, 256), passes = in.Count("passes", 1, 1000);
  if (!in.ok()) return ThrowInvalid(info.Env(), in.error());
  return Napi::Number::New(info.Env(), ReadBandwidth(bytes, threads, passes));
}

}  // namespace

void AddLimits(Napi::Env env, Napi::Object exports) {
  exports.Set("peaks", Napi::Function::New(env, Peaks));
  exports.Set("measurePeak", Napi::Function::New(env, MeasurePeak));
  exports.Set("readBandwidth", Napi::Function::New(env, Bandwidth));
}

}  // namespace lg::lab
