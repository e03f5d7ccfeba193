// SPDX-License-Identifier: Apache-2.0
// How many threads this process should compute with.
#pragma once

#include <cstddef>

namespace lg {

// CPUs in this process's affinity mask, cut to the cgroup's CPU quota (rounded up); at least 1.
size_t DefaultThreads();

}  // namespace lg
