// SPDX-License-Identifier: Apache-2.0
// ModelSpec and EngineOptions of lib/native/addon.ts as plain C++.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "base/isa.h"
#include "model/config.h"
#include "model/weights.h"
#include "runtime/topology.h"

namespace lg {

struct ModelSpec {
  std::string path;
  ModelConfig config;
  std::vector<TensorEntry> tensors;
};

struct EngineOptions {
  Isa isa;
  ThreadPlan threads;
};

Status ReadModelSpec(const Napi::Value& value, ModelSpec* spec);
// Errors: INVALID_ARGUMENT, UNKNOWN_ISA, UNSUPPORTED_ISA.
Status ReadEngineOptions(const Napi::Value& value, EngineOptions* options);

}  // namespace lg
