// SPDX-License-Identifier: Apache-2.0
// quantizeRows and packPanels of lib/native/addon.ts: what the converter needs of the core.
#pragma once

#include <napi.h>

namespace lg {

Napi::Value QuantizeRowsBinding(const Napi::CallbackInfo& info);
Napi::Value PackPanelsBinding(const Napi::CallbackInfo& info);

}  // namespace lg
