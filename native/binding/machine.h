// SPDX-License-Identifier: Apache-2.0
// isas, topology, selfTest and readBandwidth of lib/native/addon.ts: what the addon says of this machine.
#pragma once

#include <napi.h>

namespace lg {

Napi::Value IsasBinding(const Napi::CallbackInfo& info);
Napi::Value TopologyBinding(const Napi::CallbackInfo& info);
Napi::Value SelfTestBinding(const Napi::CallbackInfo& info);
Napi::Value ReadBandwidthBinding(const Napi::CallbackInfo& info);

}  // namespace lg
