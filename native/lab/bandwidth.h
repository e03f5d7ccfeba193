// SPDX-License-Identifier: Apache-2.0
// How fast this machine reads memory: the limit that matrix-vector kernels are held against.
#pragma once

#include <cstddef>

namespace lg::lab {

struct BandwidthArgs {
  size_t bytes;  // read in one pass, all threads together
  size_t threads;
  size_t passes;
};

// Bytes per second of the fastest pass; 0 when memory is short.
double ReadBandwidth(const BandwidthArgs& args);

}  // namespace lg::lab
