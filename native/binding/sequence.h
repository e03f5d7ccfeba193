// SPDX-License-Identifier: Apache-2.0
// NativeSequence of lib/native/addon.ts.
#pragma once

#include <napi.h>

#include <memory>

#include "binding/model.h"
#include "kv_cache/kv_sequence.h"

namespace lg {

// Used from the JavaScript thread, and by a pass while `busy`; `busy` and `disposed` change on the JavaScript thread only.
struct SequenceHandle {
  std::shared_ptr<ModelState> model;
  KvSequence kv;
  bool busy = false;
  bool disposed = false;

  explicit SequenceHandle(std::shared_ptr<ModelState> owner) : model(std::move(owner)), kv(model->decoder->kv_shape()) {}

  // DISPOSED or BUSY.
  Status Usable() const;
  // BUSY.
  Status Idle() const;
  // Gives the memory back, at once or when the pass that uses it has ended.
  void Dispose();
  void EndPass();
};

template <>
struct HandleTraits<SequenceHandle> {
  static constexpr napi_type_tag kTag = {0x6c6c616d61677561, 0x7264000000000002};
  static constexpr char kName[] = "NativeSequence";
};

Napi::FunctionReference DefineSequenceClass(Napi::Env env);

}  // namespace lg
