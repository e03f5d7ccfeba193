// SPDX-License-Identifier: Apache-2.0
// The instruction sets that kernels are written for, narrow before wide. The enumerators are the words that end kernel
// names.
#pragma once

#include <cstddef>
#include <string>

#include "base/cpu_features.h"
#include "base/status.h"

namespace lg {

enum class Isa { scalar, avx2, avxvnni, avx512vnni, amx, neon, neon_dotprod, neon_i8mm };
constexpr size_t kIsaCount = static_cast<size_t>(Isa::neon_i8mm) + 1;

// Names of all instruction sets that the project knows, in the enumerators' order.
const char* IsaName(Isa isa);
// Every known instruction set that this binary was compiled with, narrowest first.
size_t CompiledIsas(const Isa** isas);
// Whether a CPU with these features can run kernels of `isa`.
bool IsaSupported(Isa isa, const CpuFeatures& features);
// Whether a CPU that runs `active` may also use a kernel of `kernel`: a family without an `active` kernel falls back.
bool IsaCovers(Isa active, Isa kernel);
// The widest compiled instruction set that these features allow.
Isa BestIsa(const CpuFeatures& features);
// `name` empty: the best one. Errors: UNKNOWN_ISA, UNSUPPORTED_ISA.
Status ResolveIsa(const std::string& name, const CpuFeatures& features, Isa* isa);

}  // namespace lg
