// SPDX-License-Identifier: Apache-2.0
// The part of the lab that tests the self-test.
#pragma once

#include <napi.h>

namespace lg::lab {

// Adds selfTest.
void AddSelfTest(Napi::Env env, Napi::Object exports);

}  // namespace lg::lab
