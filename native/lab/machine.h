// SPDX-License-Identifier: Apache-2.0
// The part of the lab that answers for CPUs, this one and made-up ones.
#pragma once

#include <napi.h>

#include "base/isa.h"

namespace lg::lab {

// Adds isas, bestIsa, resolveIsa, interpretX86, interpretArm64 and readRawCpu.
void AddMachine(Napi::Env env, Napi::Object exports);

// Features named by an object's flags; absent ones are false.
CpuFeatures FeaturesFrom(Napi::Object flags);
// Whether this binary has kernels of that instruction set.
bool IsCompiled(Isa isa);
// False when no instruction set has that name.
bool IsaFromName(const std::string& name, Isa* isa);

}  // namespace lg::lab
