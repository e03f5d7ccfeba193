// SPDX-License-Identifier: Apache-2.0
// Policy over instruction sets: pure functions of a feature struct, so that tests can hand them made-up machines.
#include "base/isa.h"

namespace lg {
namespace {

constexpr const char* kNames[kIsaCount] = {"scalar", "avx2", "avxvnni",      "avx512vnni",
                                           "amx",    "neon", "neon_dotprod", "neon_i8mm"};

// Narrowest first; the build defines LG_HAVE_<ISA> for each group of files that it compiled.
constexpr Isa kCompiled[] = {
    Isa::scalar,
#if defined(LG_HAVE_AVX2)
    Isa::avx2,
#endif
#if defined(LG_HAVE_AVXVNNI)
    Isa::avxvnni,
#endif
#if defined(LG_HAVE_AVX512VNNI)
    Isa::avx512vnni,
#endif
#if defined(LG_HAVE_AMX)
    Isa::amx,
#endif
#if defined(LG_HAVE_NEON)
    Isa::neon,
#endif
#if defined(LG_HAVE_NEON_DOTPROD)
    Isa::neon_dotprod,
#endif
#if defined(LG_HAVE_NEON_I8MM)
    Isa::neon_i8mm,
#endif
};
constexpr size_t kCompiledCount = sizeof kCompiled / sizeof kCompiled[0];

std::string CompiledNames() {
  std::string names;
  for (const Isa isa : kCompiled) names += (names.empty() ? "" : ", ") + std::string(IsaName(isa));
  return names;
}

}  // namespace

const char* IsaName(Isa isa) { return kNames[static_cast<size_t>(isa)]; }

size_t CompiledIsas(const Isa** isas) {
  *isas = kCompiled;
  return kCompiledCount;
}

bool IsaSupported(Isa isa, const CpuFeatures& f) {
  switch (isa) {
    case Isa::scalar: return true;
    case Isa::avx2: return f.avx2 && f.fma && f.f16c;
    case Isa::avxvnni: return IsaSupported(Isa::avx2, f) && f.avxvnni;
    case Isa::avx512vnni: return IsaSupported(Isa::avx2, f) && f.avx512 && f.avx512vnni;
    case Isa::amx: return IsaSupported(Isa::avx512vnni, f) && f.amx;
    case Isa::neon: return f.neon;
    case Isa::neon_dotprod: return IsaSupported(Isa::neon, f) && f.dotprod;
    case Isa::neon_i8mm: return IsaSupported(Isa::neon_dotprod, f) && f.i8mm;
  }
  return false;
}

bool IsaCovers(Isa active, Isa kernel) {
  if (kernel == active || kernel == Isa::scalar) return true;
  switch (active) {
    case Isa::avxvnni:
    case Isa::avx512vnni: return kernel == Isa::avx2;  // not each other: Cascade Lake lacks the one, Alder Lake the other
    case Isa::amx: return kernel == Isa::avx512vnni || kernel == Isa::avx2;
    case Isa::neon_dotprod: return kernel == Isa::neon;
    case Isa::neon_i8mm: return kernel == Isa::neon_dotprod || kernel == Isa::neon;
    default: return false;
  }
}

Isa BestIsa(const CpuFeatures& features) {
  Isa best = Isa::scalar;
  for (const Isa isa : kCompiled) {
    if (IsaSupported(isa, features)) best = isa;
  }
  return best;
}

Status ResolveIsa(const std::string& name, const CpuFeatures& features, Isa* isa) {
  if (name.empty()) {
    *isa = BestIsa(features);
    return Status::Ok();
  }
  for (size_t i = 0; i < kIsaCount; ++i) {
    if (name != kNames[i]) continue;
    const Isa wanted = static_cast<Isa>(i);
    bool compiled = false;
    for (const Isa candidate : kCompiled) compiled = compiled || candidate == wanted;
    if (!compiled || !IsaSupported(wanted, features)) {
      return Status::Error(kUnsupportedIsa, "Instruction set '" + name + "' was asked for, but " +
                                                (compiled ? "this CPU lacks it" : "this binary has no kernels for it"));
    }
    *isa = wanted;
    return Status::Ok();
  }
  return Status::Error(kUnknownIsa, "Instruction set '" + name + "' is unknown; this binary knows " + CompiledNames());
}

}  // namespace lg
