// SPDX-License-Identifier: Apache-2.0
// What one JavaScript environment (the main thread or a worker thread) keeps of the addon; no statics are shared.
#pragma once

#include <napi.h>

namespace lg {

struct AddonData {
  Napi::FunctionReference model_class;
  Napi::FunctionReference sequence_class;
};

inline AddonData& DataOf(Napi::Env env) { return *env.GetInstanceData<AddonData>(); }

}  // namespace lg
