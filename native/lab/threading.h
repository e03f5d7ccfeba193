// SPDX-License-Identifier: Apache-2.0
// The part of the lab that looks at the thread pool: who does which share, and where.
#pragma once

#include <napi.h>

namespace lg::lab {

// Adds shareOut and placeThreads.
void AddThreading(Napi::Env env, Napi::Object exports);

}  // namespace lg::lab
