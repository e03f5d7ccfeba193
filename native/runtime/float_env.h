// SPDX-License-Identifier: Apache-2.0
// Round to nearest, subnormals kept: the floating-point mode that docs/numerics.md assumes, restored on leaving.
#pragma once

#include <cstdint>

#include "base/arch.h"

namespace lg {

class ScopedFloatEnv {
 public:
#if LG_ARCH_X86
  ScopedFloatEnv() : saved_(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(0x1f80); }
  ~ScopedFloatEnv() { __builtin_ia32_ldmxcsr(saved_); }
#elif LG_ARCH_ARM64
  ScopedFloatEnv() {
    __asm__ volatile("mrs %0, fpcr" : "=r"(saved_));
    __asm__ volatile("msr fpcr, %0" : : "r"(uint64_t{0}));
  }
  ~ScopedFloatEnv() { __asm__ volatile("msr fpcr, %0" : : "r"(uint64_t{saved_})); }
#endif
  ScopedFloatEnv(const ScopedFloatEnv&) = delete;
  ScopedFloatEnv& operator=(const ScopedFloatEnv&) = delete;

 private:
#if LG_ARCH_X86
  unsigned saved_;
#elif LG_ARCH_ARM64
  uint64_t saved_;
#endif
};

}  // namespace lg
