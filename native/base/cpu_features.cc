// SPDX-License-Identifier: Apache-2.0
// Detection, compiled at the baseline of the architecture: it must run before anything is known about the CPU.
#include "base/cpu_features.h"

#include "base/arch.h"

#if LG_ARCH_X86
#include <cpuid.h>
#elif LG_ARCH_ARM64 && defined(__linux__)
#include <sys/auxv.h>
#elif LG_ARCH_ARM64 && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace lg {
namespace {

constexpr bool Bit(uint64_t value, int bit) { return (value >> bit) & 1u; }
constexpr int kHwcapAsimdDotprod = 20;  // HWCAP_ASIMDDP of Linux and Android

}  // namespace

CpuFeatures InterpretX86(const RawCpu& raw) {
  CpuFeatures f;
  const bool osxsave = Bit(raw.leaf1_ecx, 27);
  const bool ymm_saved = osxsave && (raw.xcr0 & 0x06) == 0x06;
  const bool zmm_saved = ymm_saved && (raw.xcr0 & 0xe0) == 0xe0;
  f.fma = ymm_saved && Bit(raw.leaf1_ecx, 12);
  f.f16c = ymm_saved && Bit(raw.leaf1_ecx, 29);
  f.avx2 = ymm_saved && Bit(raw.leaf7_ebx, 5);
  const bool all_parts = Bit(raw.leaf7_ebx, 16) && Bit(raw.leaf7_ebx, 17) && Bit(raw.leaf7_ebx, 30) && Bit(raw.leaf7_ebx, 31);
  f.avx512 = zmm_saved && all_parts;
  f.avx512vnni = f.avx512 && Bit(raw.leaf7_ecx, 11);
  return f;
}

CpuFeatures InterpretArm64(const RawCpu& raw) {
  CpuFeatures f;
  f.neon = true;  // part of the architecture
  f.dotprod = Bit(raw.hwcap, kHwcapAsimdDotprod);
  return f;
}

RawCpu ReadRawCpu() {
  RawCpu raw;
#if LG_ARCH_X86
  unsigned eax, ebx, ecx, edx;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx)) raw.leaf1_ecx = ecx;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
    raw.leaf7_ebx = ebx;
    raw.leaf7_ecx = ecx;
  }
  if (Bit(raw.leaf1_ecx, 27)) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    raw.xcr0 = (static_cast<uint64_t>(high) << 32) | low;
  }
#elif LG_ARCH_ARM64 && defined(__linux__)
  raw.hwcap = getauxval(AT_HWCAP);
#elif LG_ARCH_ARM64 && defined(__APPLE__)
  int value = 0;
  size_t size = sizeof value;
  if (sysctlbyname("hw.optional.arm.FEAT_DotProd", &value, &size, nullptr, 0) == 0 && value == 1) {
    raw.hwcap |= uint64_t{1} << kHwcapAsimdDotprod;
  }
#endif
  return raw;
}

const CpuFeatures& HostCpu() {
#if LG_ARCH_X86
  static const CpuFeatures features = InterpretX86(ReadRawCpu());
#else
  static const CpuFeatures features = InterpretArm64(ReadRawCpu());
#endif
  return features;
}

}  // namespace lg
