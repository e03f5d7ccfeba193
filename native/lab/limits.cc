// SPDX-License-Identifier: Apache-2.0
// A limit is the best of several passes: whatever disturbs a pass makes it slower, never faster. A pass lasts
// milliseconds, so that starting threads does not count.
#include "lab/limits.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/isa.h"
#include "lab/loops.h"
#include "lab/machine.h"
#include "lab/reader.h"
#include "lab/threads.h"
#include "lab/throw.h"

namespace lg::lab {
namespace {

constexpr size_t kPeakIterations = 1 << 18;  // 1 to 10 ms
constexpr size_t kLeastPassBytes = 1 << 26;  // of one thread: 1 ms and more
constexpr size_t kWordStep = 64;             // of ReadWords
// None is best in near caches. In memory a CPU differs from the next: none, every line, 2 or 4 KiB ahead, or eight lines of
// each page, since a CPU's own prefetchers stop at its end.
constexpr Prefetching kPrefetchings[] = {{0, 0}, {256, 64}, {512, 64}, {256, 512}};

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

// Bytes per second. Each thread reads its own part, which it wrote first, so that the pages lie near it. 0 when memory
// is short.
double ReadBandwidth(size_t bytes, size_t threads, size_t passes) {
  const size_t words = (bytes / sizeof(uint64_t) / threads / kWordStep + 1) * kWordStep;
  const size_t part_bytes = words * sizeof(uint64_t), repeats = (kLeastPassBytes + part_bytes - 1) / part_bytes;
  std::vector<AlignedBuffer<uint64_t>> parts(threads);
  for (auto& part : parts) {
    if (!part.Allocate(words)) return 0.0;
  }
  SecondsOn(threads, [&](size_t t) {
    for (size_t i = 0; i < words; ++i) parts[t][i] = i;
  });
  std::atomic<uint64_t> total{0};  // keeps the sums from being left out
  double best = 0.0;
  for (const Prefetching& prefetching : kPrefetchings) {
    const auto read = [&](size_t t) {
      uint64_t sum = 0;
      for (size_t i = 0; i < repeats; ++i) sum += ReadWords(parts[t].data(), words, prefetching);
      total += sum;
    };
    const double bytes_read = static_cast<double>(part_bytes * repeats * threads);
    best = std::max(best, BestRate(passes, bytes_read, [&] { return SecondsOn(threads, read); }));
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
