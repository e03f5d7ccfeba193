// SPDX-License-Identifier: Apache-2.0
// Which processor family this is compiled for, and the few macros that depend on the compiler.
#pragma once

#if defined(__x86_64__)
#define LG_ARCH_X86 1
#elif defined(__aarch64__)
#define LG_ARCH_ARM64 1
#endif

#include <cassert>

// Preconditions inside the core: checked in debug and sanitizer builds only, since the boundary has checked the input.
#define LG_DCHECK(condition) assert(condition)

#define LG_RESTRICT __restrict__
#define LG_ALWAYS_INLINE inline __attribute__((always_inline))
#define LG_NOINLINE __attribute__((noinline))

// In front of a loop over registers: without it gcc unrolls such loops only after it has decided that the array of
// accumulators lives in memory, and every step loads and stores it.
#if defined(__clang__)
#define LG_UNROLL _Pragma("unroll")
#else
#define LG_UNROLL _Pragma("GCC unroll 32")
#endif
