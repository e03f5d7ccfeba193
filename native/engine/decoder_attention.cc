// SPDX-License-Identifier: Apache-2.0
// The part of a layer that touches the KV cache: storing keys and values, and attending to them.
#include <cmath>

#include "base/f16.h"
#include "engine/decoder.h"

namespace lg {
namespace {

// Keys lie transposed in their segment: dimension d of slot s at d * 64 + s.
void StoreKey(const float* key, size_t head_dim, size_t slot, uint16_t* keys) {
  for (size_t d = 0; d < head_dim; ++d) keys[d * kKeyBlock + slot] = F16FromFloat(key[d]);
}

void StoreValue(const float* value, size_t head_dim, size_t slot, uint16_t* values) {
  for (size_t d = 0; d < head_dim; ++d) values[slot * head_dim + d] = F16FromFloat(value[d]);
}

}  // namespace

// A task is a row and a kv head, as in Attend: in decoding most heads meet the thread that has just stored them.
void Decoder::StoreKeysAndValues(size_t layer, const Spans& spans) {
  const size_t dim = config_.head_dim;
  for (const Span& span : spans.spans) {
    pool_.Run(span.rows * config_.kv_heads, [&](size_t task, size_t) {
      const size_t i = task / config_.kv_heads, h = task % config_.kv_heads;
      const size_t row = span.first_row + i, position = span.first_position + i;
      float* const key = act_.qkv.data() + row * act_.qkv_stride + config_.q_size() + h * dim;
      uint16_t* const head = span.sequence->mutable_segment(position / kKeyBlock) + kv_shape().head_offset(layer, h);
      Rotate(key, 1, row);
      StoreKey(key, dim, position % kKeyBlock, head);
      StoreValue(key + config_.kv_size(), dim, position % kKeyBlock, head + kv_shape().head_elements());
    });
  }
}

void Decoder::Rotate(float* x, size_t heads, size_t row) {
  kernels_.rope({x, act_.rope_cos.data() + row * config_.head_dim, act_.rope_sin.data() + row * config_.head_dim, heads, config_.head_dim});
}

// Queries turn to their positions on the way, and outputs take their places.
void Decoder::Attend(size_t layer, const AttentionPlan& plan) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim));
  pool_.Run(plan.calls().size() * config_.kv_heads, [&](size_t task, size_t thread) {
    const PlannedCall& call = plan.calls()[task / config_.kv_heads];
    const size_t kv_head = task % config_.kv_heads, heads = config_.heads_per_kv();
    AttentionRun runs[kAttentionRows];
    for (size_t i = 0; i < call.run_count; ++i) {
      const PlannedRun& run = plan.runs(call)[i];
      float* const q = act_.qkv.data() + run.first_row * act_.qkv_stride + kv_head * heads * config_.head_dim;
      for (size_t row = 0; row < run.rows; ++row) Rotate(q + row * act_.qkv_stride, heads, run.first_row + row);
      runs[i] = {q, q, run.rows, run.first_position, run.blocks};
    }
    kernels_.attention({runs, call.run_count, call.shared_blocks, kv_shape().head_offset(layer, kv_head), act_.qkv_stride, heads,
                        config_.head_dim, scale, act_.scratch.of(thread)});
  });
}

}  // namespace lg
