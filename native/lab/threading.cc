// SPDX-License-Identifier: Apache-2.0
// Cores of unequal speed are simulated by clocks that are not real: a task moves its thread's clock on by what it costs there,
// and returns when no other thread is behind. So the outcome does not depend on how busy this machine is.
#include "lab/threading.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "lab/call.h"
#include "lab/throw.h"
#include "runtime/affinity.h"
#include "runtime/thread_pool.h"

namespace lg::lab {
namespace {

class UnequalCores {
 public:
  UnequalCores(std::vector<size_t> costs, size_t tasks)
      : costs_(std::move(costs)), clocks_(costs_.size()), done_(costs_.size()), tasks_(tasks) {}

  void Task(size_t thread) {
    std::unique_lock<std::mutex> lock(mutex_);
    clocks_[thread] += costs_[thread];
    ++done_[thread];
    ++claimed_;
    turn_.notify_all();
    // When all tasks are taken, threads that found none no longer move their clocks.
    turn_.wait(lock, [&] { return claimed_ == tasks_ || clocks_[thread] == *std::min_element(clocks_.begin(), clocks_.end()); });
  }
  const std::vector<int32_t>& done() const { return done_; }
  size_t end() const { return *std::max_element(clocks_.begin(), clocks_.end()); }

 private:
  const std::vector<size_t> costs_;  // of one task, by thread
  std::vector<size_t> clocks_;
  std::vector<int32_t> done_;
  const size_t tasks_;
  size_t claimed_ = 0;
  std::mutex mutex_;
  std::condition_variable turn_;
};

// shareOut({tasks, costs}): runs so many tasks on a pool with a thread for each cost. {done: tasks by thread, end: the clock
// of the thread that ends last, runs: how often each task ran}.
Napi::Value ShareOut(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Arena arena;
  Reader in(info[0].IsObject() ? info[0].As<Napi::Object>() : Napi::Object::New(env), Placement::front, &arena);
  const size_t tasks = in.Count("tasks", 2, 1 << 16);
  const std::vector<size_t> costs = in.Counts("costs", 1, 1 << 16);
  if (!in.ok()) return ThrowInvalid(env, in.error());
  ThreadPool pool({costs.size(), {}});
  if (pool.threads() != costs.size()) return Throw(env, kOutOfMemory, "The system refused threads");
  UnequalCores cores(costs, tasks);
  std::vector<int32_t> runs(tasks);
  pool.Run(tasks, [&](size_t task, size_t thread) {
    ++runs[task];
    cores.Task(thread);
  });
  Napi::Object out = Napi::Object::New(env);
  out.Set("done", CopyOut(env, cores.done().data(), cores.done().size()));
  out.Set("end", static_cast<double>(cores.end()));
  out.Set("runs", CopyOut(env, runs.data(), runs.size()));
  return out;
}

// placeThreads({threads, cpus}): which CPUs each thread of a pool may use while it computes, [threads][...], and the caller
// afterwards.
Napi::Value PlaceThreads(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Arena arena;
  Reader in(info[0].IsObject() ? info[0].As<Napi::Object>() : Napi::Object::New(env), Placement::front, &arena);
  const size_t threads = in.Count("threads", 1, 64);
  const std::vector<size_t> given = in.Counts("cpus", 0, 1023);
  if (!in.ok()) return ThrowInvalid(env, in.error());
  ThreadPool pool({threads, {given.begin(), given.end()}});
  std::vector<std::vector<int>> places(pool.threads());
  {
    const ScopedAffinity affinity(pool.cpus());
    // Equal clocks: every thread gets a task.
    UnequalCores cores(std::vector<size_t>(pool.threads(), 1), 4 * pool.threads());
    pool.Run(4 * pool.threads(), [&](size_t, size_t thread) {
      places[thread] = UsableCpus();
      cores.Task(thread);
    });
  }
  places.push_back(UsableCpus());
  Napi::Array out = Napi::Array::New(env);
  for (const std::vector<int>& place : places) out.Set(out.Length(), CopyOut(env, place.data(), place.size()));
  return out;
}

}  // namespace

void AddThreading(Napi::Env env, Napi::Object exports) {
  exports.Set("shareOut", Napi::Function::New(env, ShareOut));
  exports.Set("placeThreads", Napi::Function::New(env, PlaceThreads));
}

}  // namespace lg::lab
