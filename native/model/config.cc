// SPDX-License-Identifier: Apache-2.0
// Bounds are far above any Llama and far below overflow: the product of three of them fits 64 bits.
#include "model/config.h"

#include <cmath>
#include <string>

#include "kernels/attention/attention.h"
#include "quant/q4.h"

namespace lg {
namespace {

struct Bound {
  const char* name;
  size_t value, most, multiple;
};

Status Bad(const std::string& expected, size_t found) {
  return Status::Error(kBadConfig, "Expected " + expected + ", found " + std::to_string(found));
}

}  // namespace

Status CheckConfig(const ModelConfig& c) {
  if (!IsGroup(c.group)) return Bad("group to be 32, 64, 128 or 256", c.group);
  if (!IsGroup(c.embedding_group)) return Bad("embeddingGroup to be 32, 64, 128 or 256", c.embedding_group);
  const Bound bounds[] = {
      {"layers", c.layers, 1024, 1},           {"heads", c.heads, 1024, 1},
      {"kvHeads", c.kv_heads, 1024, 1},        {"headDim", c.head_dim, kMaxHeadDim, 16},
      {"hiddenSize", c.hidden, 1 << 17, c.group}, {"intermediateSize", c.intermediate, 1 << 18, c.group},
      {"vocabSize", c.vocab, 1 << 22, 1},      {"labels", c.labels, 4096, 1},
      {"contextLength", c.context, 1 << 20, 1},
  };
  for (const Bound& b : bounds) {
    if (b.value == 0 || b.value > b.most || b.value % b.multiple != 0) {
      return Bad(std::string(b.name) + " to be 1.." + std::to_string(b.most) + " and a multiple of " + std::to_string(b.multiple), b.value);
    }
  }
  if (c.heads % c.kv_heads != 0) return Bad("heads to be a multiple of kvHeads " + std::to_string(c.kv_heads), c.heads);
  if (c.q_size() % c.group != 0) return Bad("heads * headDim to be a multiple of group " + std::to_string(c.group), c.q_size());
  if (c.hidden % c.embedding_group != 0) {
    return Bad("hiddenSize to be a multiple of embeddingGroup " + std::to_string(c.embedding_group), c.hidden);
  }
  if (!(c.rms_norm_eps >= 0.0f) || !std::isfinite(c.rms_norm_eps)) return Status::Error(kBadConfig, "Expected rmsNormEps to be finite and not negative");
  return Status::Ok();
}

}  // namespace lg
