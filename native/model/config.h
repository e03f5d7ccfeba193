// SPDX-License-Identifier: Apache-2.0
// Dimensions of a model, checked once so that later size arithmetic cannot overflow.
#pragma once

#include <cstddef>

#include "base/status.h"

namespace lg {

struct ModelConfig {
  size_t layers;
  size_t hidden;        // d
  size_t intermediate;  // f
  size_t heads;
  size_t kv_heads;
  size_t head_dim;
  size_t vocab;
  size_t labels;   // rows of the head, before padding
  size_t context;  // most positions of a sequence
  size_t group;
  size_t embedding_group;
  float rms_norm_eps;

  size_t q_size() const { return heads * head_dim; }
  size_t kv_size() const { return kv_heads * head_dim; }
  size_t heads_per_kv() const { return heads / kv_heads; }
};

// Error: BAD_CONFIG that names the field, what was expected and what was found.
Status CheckConfig(const ModelConfig& config);

}  // namespace lg
