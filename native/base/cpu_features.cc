// SPDX-License-Identifier: Apache-2.0
// Detection, compiled at the baseline of the architecture: it must run before anything is known about the CPU.
#include "base/cpu_features.h"

#include "base/arch.h"

#if LG_ARCH_X86
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif LG_ARCH_ARM64 && defined(__linux__)
#include <sys/auxv.h>
#elif LG_ARCH_ARM64 && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace lg {
namespace {

constexpr bool Bit(uint64_t value, int bit) { return (value >> bit) & 1u; }
// Bits of AT_HWCAP and AT_HWCAP2 on Linux and Android.
constexpr int kHwcapAsimdDotprod = 20;
constexpr int kHwcap2I8mm = 13;

// TILE and INT8 in CPUID leaf 7 EDX, and the two parts of the tiles' state in XCR0.
constexpr bool HasTiles(const RawCpu& raw) {
  return Bit(raw.leaf7_edx, 24) && Bit(raw.leaf7_edx, 25) && Bit(raw.xcr0, 17) && Bit(raw.xcr0, 18);
}

#if LG_ARCH_X86 && defined(__linux__)
// The kernel keeps 8 KB of tiles for a thread only if the process has asked for it (Documentation/arch/x86/xstate.rst).
// Refused where the kernel is older than 5.16, a filter of system calls forbids it, or a thread's alternate signal stack
// is too small for the larger frames.
bool AskForTiles() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // bit of XCR0
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif

#if LG_ARCH_ARM64 && defined(__APPLE__)
bool AppleHas(const char* feature) {
  int value = 0;
  size_t size = sizeof value;
  return sysctlbyname(feature, &value, &size, nullptr, 0) == 0 && value == 1;
}
#endif

}  // namespace

CpuFeatures InterpretX86(const RawCpu& raw) {
  CpuFeatures f;
  const bool osxsave = Bit(raw.leaf1_ecx, 27);
  const bool ymm_saved = osxsave && (raw.xcr0 & 0x06) == 0x06;
  const bool zmm_saved = ymm_saved && (raw.xcr0 & 0xe0) == 0xe0;
  f.fma = ymm_saved && Bit(raw.leaf1_ecx, 12);
  f.f16c = ymm_saved && Bit(raw.leaf1_ecx, 29);
  f.avx2 = ymm_saved && Bit(raw.leaf7_ebx, 5);
  f.avxvnni = ymm_saved && Bit(raw.leaf7_1_eax, 4);
  const bool all_parts = Bit(raw.leaf7_ebx, 16) && Bit(raw.leaf7_ebx, 17) && Bit(raw.leaf7_ebx, 30) && Bit(raw.leaf7_ebx, 31);
  f.avx512 = zmm_saved && all_parts;
  f.avx512vnni = f.avx512 && Bit(raw.leaf7_ecx, 11);
  f.amx = osxsave && HasTiles(raw) && raw.tile_permission;
  return f;
}

CpuFeatures InterpretArm64(const RawCpu& raw) {
  CpuFeatures f;
  f.neon = true;  // part of the architecture
  f.dotprod = Bit(raw.hwcap, kHwcapAsimdDotprod);
  f.i8mm = Bit(raw.hwcap2, kHwcap2I8mm);
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
    raw.leaf7_edx = edx;
    // Leaf 7 gives its last subleaf in EAX; beyond it, what CPUID returns means nothing.
    if (eax >= 1 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx)) raw.leaf7_1_eax = eax;
  }
  if (Bit(raw.leaf1_ecx, 27)) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    raw.xcr0 = (static_cast<uint64_t>(high) << 32) | low;
  }
#if defined(__linux__)
  raw.tile_permission = HasTiles(raw) && AskForTiles();
#endif
#elif LG_ARCH_ARM64 && defined(__linux__)
  raw.hwcap = getauxval(AT_HWCAP);
  raw.hwcap2 = getauxval(AT_HWCAP2);
#elif LG_ARCH_ARM64 && defined(__APPLE__)
  if (AppleHas("hw.optional.arm.FEAT_DotProd")) raw.hwcap |= uint64_t{1} << kHwcapAsimdDotprod;
  if (AppleHas("hw.optional.arm.FEAT_I8MM")) raw.hwcap2 |= uint64_t{1} << kHwcap2I8mm;
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
