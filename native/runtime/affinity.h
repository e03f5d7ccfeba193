// SPDX-License-Identifier: Apache-2.0
// Keeping a thread to some CPUs for a while.
#pragma once

#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

namespace lg {

// While it lives, the calling thread runs on those of `cpus` that it may use; where there are none, or none were named, it is
// left alone. On leaving it may use what it could before. A failure costs speed only.
class ScopedAffinity {
 public:
  explicit ScopedAffinity(const std::vector<int>& cpus);
  ~ScopedAffinity();
  ScopedAffinity(const ScopedAffinity&) = delete;
  ScopedAffinity& operator=(const ScopedAffinity&) = delete;

 private:
#if defined(__linux__)
  bool changed_ = false;
  cpu_set_t before_;
#endif
};

}  // namespace lg
