// SPDX-License-Identifier: Apache-2.0
// Small loops that reach a limit of this CPU: arithmetic from registers, reads of memory. Kernels are held against them.
#pragma once

#include <cstddef>
#include <cstdint>

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

// What a read asks for, `ahead` words before it loads them: the first eight lines of each stretch of `every` words (a power
// of two, at least 64), or nothing where `every` is 0: that leaves it to the CPU.
struct Prefetching {
  size_t ahead, every;
};

// Reads `count` words, a multiple of 64, with the widest loads of this CPU; `words` lie at the start of a page. The sum keeps
// the reads from being left out.
uint64_t ReadWords(const uint64_t* words, size_t count, const Prefetching& prefetching);

}  // namespace lg::lab
