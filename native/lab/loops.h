// SPDX-License-Identifier: Apache-2.0
// Small loops that reach a limit of this CPU's arithmetic, from registers. Kernels are held against them.
#pragma once

#include <cstddef>

namespace lg::lab {

// Multiplies and adds in registers alone, with enough chains to hide latencies.
struct PeakLoop {
  const char* isa;    // of the kernels that it limits
  const char* type;   // int8: products of bytes, summed as that instruction set does it; f32: fused multiply-add
  double operations;  // of one iteration: two for each multiply-accumulate
  void (*run)(size_t iterations);
};

// The loops that this file has for this architecture, whether or not this CPU can run them.
size_t PeakLoops(const PeakLoop** loops);

}  // namespace lg::lab
