// SPDX-License-Identifier: Apache-2.0
// What the CPU can do. Raw facts and their interpretation are apart, so that tests can feed recorded machines.
#pragma once

#include <cstdint>

namespace lg {

// Composite flags hold only where the operating system also saves the registers.
struct CpuFeatures {
  bool avx2 = false;
  bool fma = false;
  bool f16c = false;
  bool avxvnni = false;
  bool avx512 = false;  // F, BW, VL and DQ together
  bool avx512vnni = false;
  bool amx = false;  // TILE and INT8, and this process may use tiles
  bool neon = false;
  bool dotprod = false;
  bool i8mm = false;
};

// CPUID leaves 1 and 7 (subleaves 0 and 1), XCR0 and Linux's permission on x86; HWCAP and HWCAP2 on arm64. Zero where
// absent.
struct RawCpu {
  uint32_t leaf1_ecx = 0;
  uint32_t leaf7_ebx = 0;
  uint32_t leaf7_ecx = 0;
  uint32_t leaf7_edx = 0;
  uint32_t leaf7_1_eax = 0;
  uint64_t xcr0 = 0;
  bool tile_permission = false;  // Linux grants a process the registers of AMX only when it asks
  uint64_t hwcap = 0;
  uint64_t hwcap2 = 0;
};

// Where the CPU has AMX this asks for permission to use it, for the whole process.
RawCpu ReadRawCpu();
CpuFeatures InterpretX86(const RawCpu& raw);
CpuFeatures InterpretArm64(const RawCpu& raw);
// The machine that this runs on; computed once.
const CpuFeatures& HostCpu();

}  // namespace lg
