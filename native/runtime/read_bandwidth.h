// SPDX-License-Identifier: Apache-2.0
// How fast this machine's memory, or a cache, can be read.
#pragma once

#include <cstddef>

namespace lg {

// Bytes per second of the fastest of `passes` passes over `bytes` in all (at least 1), with the widest loads of this CPU and
// the best of four patterns of prefetch; `threads` (at least 1) read a part each. 0 where memory is short.
double ReadBandwidth(size_t bytes, size_t threads, size_t passes);

}  // namespace lg
