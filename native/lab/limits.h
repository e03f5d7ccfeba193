// SPDX-License-Identifier: Apache-2.0
// The part of the lab that measures this machine's limits: what memory gives and what the multipliers take.
#pragma once

#include <napi.h>

namespace lg::lab {

// Adds peaks, measurePeak and readBandwidth.
void AddLimits(Napi::Env env, Napi::Object exports);

}  // namespace lg::lab
