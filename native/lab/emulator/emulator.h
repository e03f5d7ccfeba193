// SPDX-License-Identifier: Apache-2.0
// The emulator as the lab offers it: kernels of instruction sets that this CPU lacks run with their own machine code.
#pragma once

#include <napi.h>

#include "base/isa.h"

namespace lg::lab {

// Whether emulate() has made up for what this CPU lacks of `isa`.
bool IsEmulated(Isa isa);
// Whether kernels of `isa` can run in this process, on the CPU or emulated.
bool CanRun(Isa isa);

// Adds emulate and emulatedInstructions.
void AddEmulator(Napi::Env env, Napi::Object exports);

}  // namespace lg::lab
