// SPDX-License-Identifier: Apache-2.0
// The part of the lab for shared pieces that are no kernel: exp, f16, rounding to INT4, packing, threads.
#pragma once

#include <napi.h>

namespace lg::lab {

// Adds exp, f32FromF16, f16FromF32, quantizeRows, packPanels, unpackPanels and topology.
void AddPieces(Napi::Env env, Napi::Object exports);

}  // namespace lg::lab
