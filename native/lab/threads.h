// SPDX-License-Identifier: Apache-2.0
// Work on several threads at once.
#pragma once

#include <cstddef>
#include <thread>
#include <vector>

namespace lg::lab {

// Runs work(t) for every t below `threads`, the first on this thread, and returns when all have ended.
template <typename Work>
void OnThreads(size_t threads, Work work) {
  std::vector<std::thread> others;
  for (size_t t = 1; t < threads; ++t) others.emplace_back(work, t);
  work(0);
  for (std::thread& other : others) other.join();
}

}  // namespace lg::lab
