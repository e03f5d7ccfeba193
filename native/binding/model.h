// SPDX-License-Identifier: Apache-2.0
// NativeModel of lib/native/addon.ts.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>

#include "binding/handle.h"
#include "engine/decoder.h"

namespace lg {

// Shared by the JavaScript object, its sequences and a pass that runs: dispose() only drops the object's share.
struct ModelState {
  std::unique_ptr<Decoder> decoder;
  std::atomic<bool> busy{false};       // a pass runs
  std::atomic<bool> cancelled{false};  // that pass is to stop; cleared before the next one is queued
};

// What the JavaScript object holds; empty after dispose().
struct ModelHandle {
  std::shared_ptr<ModelState> state;
};

template <>
struct HandleTraits<ModelHandle> {
  static constexpr napi_type_tag kTag = {0x6c6c616d61677561, 0x7264000000000001};
  static constexpr char kName[] = "NativeModel";
};

Napi::FunctionReference DefineModelClass(Napi::Env env);
Napi::Value LoadModel(const Napi::CallbackInfo& info);

}  // namespace lg
