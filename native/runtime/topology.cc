// SPDX-License-Identifier: Apache-2.0
// Affinity by sched_getaffinity, quota by cgroup v2 (cpu.max) or v1 (cpu.cfs_quota_us).
#include "runtime/topology.h"

#include <unistd.h>

#include <cstdio>
#include <string>

#if defined(__linux__)
#include <sched.h>
#endif

namespace lg {
namespace {

// The first `count` integers of a small file; "max" counts as -1. Whether all were there.
bool ReadIntegers(const std::string& path, long* values, int count) {
  FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return false;
  bool ok = true;
  for (int i = 0; ok && i < count; ++i) {
    char word[32];
    ok = std::fscanf(file, "%31s", word) == 1;
    if (ok && std::sscanf(word, "%ld", &values[i]) != 1) values[i] = -1;
  }
  std::fclose(file);
  return ok;
}

// CPUs that the quota allows, rounded up; 0 = no limit.
size_t CgroupCpus() {
  long v[2];
  if (ReadIntegers("/sys/fs/cgroup/cpu.max", v, 2) && v[0] > 0 && v[1] > 0) return static_cast<size_t>((v[0] + v[1] - 1) / v[1]);
  long quota, period;
  if (ReadIntegers("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", &quota, 1) &&
      ReadIntegers("/sys/fs/cgroup/cpu/cpu.cfs_period_us", &period, 1) && quota > 0 && period > 0) {
    return static_cast<size_t>((quota + period - 1) / period);
  }
  return 0;
}

size_t AffinityCpus() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return static_cast<size_t>(CPU_COUNT(&set));
#endif
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? static_cast<size_t>(online) : 1;
}

}  // namespace

size_t DefaultThreads() {
  const size_t cpus = AffinityCpus(), quota = CgroupCpus();
  return quota != 0 && quota < cpus ? quota : cpus;
}

}  // namespace lg
