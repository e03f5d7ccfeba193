// SPDX-License-Identifier: Apache-2.0
// sched_setaffinity with 0 means the calling thread; bionic has no pthread_setaffinity_np.
#include "runtime/affinity.h"

namespace lg {

#if defined(__linux__)

ScopedAffinity::ScopedAffinity(const std::vector<int>& cpus) {
  if (cpus.empty() || sched_getaffinity(0, sizeof before_, &before_) != 0) return;
  cpu_set_t wanted;
  CPU_ZERO(&wanted);
  for (int cpu : cpus) {
    if (cpu < CPU_SETSIZE && CPU_ISSET(cpu, &before_)) CPU_SET(cpu, &wanted);
  }
  if (CPU_COUNT(&wanted) > 0) changed_ = sched_setaffinity(0, sizeof wanted, &wanted) == 0;
}

ScopedAffinity::~ScopedAffinity() {
  if (changed_) sched_setaffinity(0, sizeof before_, &before_);
}

#else

ScopedAffinity::ScopedAffinity(const std::vector<int>&) {}
ScopedAffinity::~ScopedAffinity() = default;

#endif

}  // namespace lg
