// SPDX-License-Identifier: Apache-2.0
// Machine code that a test has assembled: what the decoder makes of it, and what it does.
#pragma once

#include <napi.h>

namespace lg::lab {

// Adds decode and execute where there is an emulator, else nothing.
void AddMachineCode(Napi::Env env, Napi::Object exports);

}  // namespace lg::lab
