// SPDX-License-Identifier: Apache-2.0
// How many threads this process should compute with.
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

// The big CPUs of `cpus`, cut to the quota; at least 1.
size_t ThreadsFor(const std::string& root, const std::vector<int>& cpus);

// ThreadsFor this machine and this process's affinity mask.
size_t DefaultThreads();

}  // namespace lg
