// SPDX-License-Identifier: Apache-2.0
// How many threads this process should compute with, and on which CPUs.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace lg {

// Of the given CPUs, those that are not much slower than the fastest: with a capacity (the kernel's measure of speed, up to
// 1024) of at least 60 % of the largest, or, where the kernel tells no capacities, a maximum frequency of at least 80 %.
// On a phone these are its big cores: a little one would only be waited for. `root` stands before /sys; "" = this machine.
std::vector<int> BigCpus(const std::string& root, const std::vector<int>& cpus);

// CPUs that the CPU quotas of this process's control groups allow, rounded up: cgroup v2 (cpu.max of its group and of all
// that hold it) or v1. 0 = no limit.
size_t CgroupCpus(const std::string& root);

// How many threads compute, and where.
struct ThreadPlan {
  size_t threads;         // at least 1
  std::vector<int> cpus;  // CPUs that the threads keep to; empty: any that the process may use
};

// As many threads as `cpus`, those that this process may use, has big ones, cut to the quota. They keep to the big ones where
// there are others, and where the process may use every CPU that is online: whoever narrowed it has chosen already.
ThreadPlan PlanThreads(const std::string& root, const std::vector<int>& cpus);

// This process's affinity mask.
std::vector<int> UsableCpus();

}  // namespace lg
