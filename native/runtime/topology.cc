// SPDX-License-Identifier: Apache-2.0
#include "runtime/topology.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#if defined(__linux__)
#include <sched.h>
#endif

namespace lg {
namespace {

constexpr int kMostCpu = 4095;  // of a damaged list, no more is taken

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

// One number for each CPU, from a file below its folder; empty where one is missing.
std::vector<long> OfEach(const std::string& root, const std::vector<int>& cpus, const char* file) {
  std::vector<long> values;
  for (int cpu : cpus) {
    long value;
    if (!ReadIntegers(root + "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/" + file, &value, 1) || value <= 0) return {};
    values.push_back(value);
  }
  return values;
}

// CPUs with at least `percent` of the largest value.
std::vector<int> Near(const std::vector<int>& cpus, const std::vector<long>& values, long percent) {
  const long largest = *std::max_element(values.begin(), values.end());
  std::vector<int> near;
  for (size_t i = 0; i < cpus.size(); ++i) {
    if (values[i] * 100 >= largest * percent) near.push_back(cpus[i]);
  }
  return near;
}

// The path of this process's cgroup v2 below the mount, such as "/system.slice/app.service"; "" for the root group.
std::string CgroupPath(const std::string& root) {
  FILE* file = std::fopen((root + "/proc/self/cgroup").c_str(), "re");
  if (file == nullptr) return "";
  char line[4096];
  std::string path;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, "0::/", 4) == 0) path.assign(line + 3, std::strcspn(line + 3, "\n"));
  }
  std::fclose(file);
  return path == "/" ? "" : path;
}

size_t CpusOf(long quota, long period) {
  return quota > 0 && period > 0 ? static_cast<size_t>((quota + period - 1) / period) : 0;
}

size_t SmallerLimit(size_t a, size_t b) { return a == 0 || (b != 0 && b < a) ? b : a; }

// The numbers of a list such as "0-3,6"; empty where the file is missing or damaged.
std::vector<int> ReadCpuList(const std::string& path) {
  FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return {};
  std::vector<int> cpus;
  int first, last;
  char after = ',';
  while (after == ',' && std::fscanf(file, "%d", &first) == 1) {
    last = first;
    if (std::fscanf(file, "-%d", &last) != 1) last = first;
    if (first < 0 || last < first || last > kMostCpu) break;
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
    if (std::fscanf(file, "%c", &after) != 1) break;
  }
  std::fclose(file);
  return cpus;
}

// Whether `cpus`, ascending, holds every CPU that is online; false where the system does not say.
bool HoldsAllOnline(const std::string& root, const std::vector<int>& cpus) {
  const std::vector<int> online = ReadCpuList(root + "/sys/devices/system/cpu/online");
  return !online.empty() && std::includes(cpus.begin(), cpus.end(), online.begin(), online.end());
}

}  // namespace

std::vector<int> BigCpus(const std::string& root, const std::vector<int>& cpus) {
  if (cpus.empty()) return cpus;
  const std::vector<long> capacities = OfEach(root, cpus, "cpu_capacity");
  if (!capacities.empty()) return Near(cpus, capacities, 60);
  // Turbo gives some cores of one kind a few percent more than others.
  const std::vector<long> frequencies = OfEach(root, cpus, "cpufreq/cpuinfo_max_freq");
  return frequencies.empty() ? cpus : Near(cpus, frequencies, 80);
}

size_t CgroupCpus(const std::string& root) {
  size_t limit = 0;
  long v[2];
  for (std::string path = CgroupPath(root);; path.erase(path.rfind('/'))) {
    if (ReadIntegers(root + "/sys/fs/cgroup" + path + "/cpu.max", v, 2)) limit = SmallerLimit(limit, CpusOf(v[0], v[1]));
    if (path.empty()) break;
  }
  const std::string v1 = root + "/sys/fs/cgroup/cpu/cpu.cfs_";
  if (ReadIntegers(v1 + "quota_us", &v[0], 1) && ReadIntegers(v1 + "period_us", &v[1], 1)) {
    limit = SmallerLimit(limit, CpusOf(v[0], v[1]));
  }
  return limit;
}

ThreadPlan PlanThreads(const std::string& root, const std::vector<int>& cpus) {
  std::vector<int> big = BigCpus(root, cpus);
  const size_t threads = std::max<size_t>(1, SmallerLimit(big.size(), CgroupCpus(root)));
  if (big.size() == cpus.size() || !HoldsAllOnline(root, cpus)) big.clear();
  return {threads, std::move(big)};
}

std::vector<int> UsableCpus() {
  std::vector<int> cpus;
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
    return cpus;
  }
#endif
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  for (int cpu = 0; cpu < online; ++cpu) cpus.push_back(cpu);
  return cpus;
}

}  // namespace lg
