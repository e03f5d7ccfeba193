// SPDX-License-Identifier: Apache-2.0
// Fork-join over numbered tasks on a fixed set of threads.
#pragma once

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/topology.h"

namespace lg {

// Owns its worker threads. One Run at a time, from one thread at a time; the caller takes part in the work as thread 0.
// Workers park on a condition variable; between the many short runs of a forward pass they wait awake for a few
// microseconds first.
class ThreadPool {
 public:
  // `plan.threads` counts the caller. If the system refuses some threads the pool has fewer. Workers keep to `plan.cpus`; the
  // caller, who may have other work, sees to itself (ScopedAffinity).
  explicit ThreadPool(ThreadPlan plan);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t threads() const { return workers_.size() + 1; }
  const std::vector<int>& cpus() const { return cpus_; }

  // Calls task(index, thread) for index 0 .. count - 1, thread < threads(), and returns when all are done. A thread claims
  // tasks one by one: first those of its own run of neighbours, ascending, so that what they read is one stream; then those
  // that are left of the others', so that a slow core holds up no more than the task it has.
  template <typename Task>
  void Run(size_t count, const Task& task) {
    RunErased(count, [](const void* context, size_t index, size_t thread) {
      (*static_cast<const Task*>(context))(index, thread);
    }, &task);
  }

 private:
  using Erased = void (*)(const void* context, size_t index, size_t thread);
  struct alignas(64) Share {
    std::atomic<size_t> next;  // the next task to claim
    size_t end;
  };
  struct Worker {
    ThreadPool* pool;
    size_t index;
    pthread_t handle;
  };

  static void* Main(void* worker);
  void RunErased(size_t count, Erased task, const void* context);
  void Work(size_t thread);
  void WaitForRun(uint32_t seen);

  const std::vector<int> cpus_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::mutex mutex_;
  std::condition_variable start_, done_;

  // The current run. Written by the caller before `run_` moves on, read by workers after they have seen it move.
  Erased task_ = nullptr;
  const void* context_ = nullptr;
  const std::unique_ptr<Share[]> shares_;        // [threads]
  alignas(64) std::atomic<uint32_t> run_{0};     // number of the current run
  alignas(64) std::atomic<size_t> active_{0};    // workers that have not finished the current run
  std::atomic<size_t> parked_{0};                // workers asleep on start_
  std::atomic<bool> caller_parked_{false};
  std::atomic<bool> stop_{false};
};

}  // namespace lg
