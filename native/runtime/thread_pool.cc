// SPDX-License-Identifier: Apache-2.0
// Every worker checks in for every run, so that no worker can be late with a task of an earlier one.
#include "runtime/thread_pool.h"

#include <chrono>
#include <utility>

#include "runtime/affinity.h"
#include "runtime/float_env.h"

namespace lg {
namespace {

// Long enough to bridge the serial steps between two parallel ones of a layer, short enough not to burn a phone.
constexpr std::chrono::microseconds kAwake{20};

inline void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Waits awake for `ready`, for a limited time; whether it became true.
template <typename Ready>
bool WaitAwake(const Ready& ready) {
  const auto deadline = std::chrono::steady_clock::now() + kAwake;
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      Pause();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return ready();
}

}  // namespace

ThreadPool::ThreadPool(ThreadPlan plan) : cpus_(std::move(plan.cpus)), shares_(new Share[plan.threads]) {
  for (size_t i = 1; i < plan.threads; ++i) {
    auto worker = std::make_unique<Worker>(Worker{this, i, {}});
    if (pthread_create(&worker->handle, nullptr, &ThreadPool::Main, worker.get()) != 0) break;
    workers_.push_back(std::move(worker));
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_.store(true);
  }
  start_.notify_all();
  for (const auto& worker : workers_) pthread_join(worker->handle, nullptr);
}

void ThreadPool::WaitForRun(uint32_t seen) {
  const auto moved = [&] { return run_.load() != seen || stop_.load(); };
  if (WaitAwake(moved)) return;
  std::unique_lock<std::mutex> lock(mutex_);
  parked_.fetch_add(1);
  start_.wait(lock, moved);
  parked_.fetch_sub(1);
}

void* ThreadPool::Main(void* argument) {
  const Worker& worker = *static_cast<Worker*>(argument);
  ThreadPool& pool = *worker.pool;
  const ScopedFloatEnv float_env;
  const ScopedAffinity affinity(pool.cpus());
  for (uint32_t seen = 0;;) {
    pool.WaitForRun(seen);
    if (pool.stop_.load()) return nullptr;
    seen = pool.run_.load();
    pool.Work(worker.index);
    if (pool.active_.fetch_sub(1) == 1 && pool.caller_parked_.load()) {
      std::lock_guard<std::mutex> lock(pool.mutex_);
      pool.done_.notify_one();
    }
  }
}

void ThreadPool::Work(size_t thread) {
  for (size_t i = 0; i < threads(); ++i) {
    Share& share = shares_[(thread + i) % threads()];
    for (size_t task = share.next.fetch_add(1); task < share.end; task = share.next.fetch_add(1)) task_(context_, task, thread);
  }
}

void ThreadPool::RunErased(size_t count, Erased task, const void* context) {
  if (count <= 1 || workers_.empty()) {
    for (size_t i = 0; i < count; ++i) task(context, i, 0);
    return;
  }
  task_ = task;
  context_ = context;
  for (size_t i = 0; i < threads(); ++i) {
    shares_[i].next.store(count * i / threads());
    shares_[i].end = count * (i + 1) / threads();
  }
  active_.store(workers_.size());
  run_.fetch_add(1);
  if (parked_.load() > 0) {
    // Taking the lock orders this after a worker's decision to park, so that no wake-up is lost.
    { std::lock_guard<std::mutex> lock(mutex_); }
    start_.notify_all();
  }
  Work(0);
  const auto finished = [&] { return active_.load() == 0; };
  if (WaitAwake(finished)) return;
  std::unique_lock<std::mutex> lock(mutex_);
  // An exchange, not a store: a full barrier before the look at active_ even where a sequentially consistent store is none,
  // as in qemu 7.2's translation of stlr and ldar; the last worker might see no caller to wake.
  caller_parked_.exchange(true);
  done_.wait(lock, finished);
  caller_parked_.store(false);
}

}  // namespace lg
