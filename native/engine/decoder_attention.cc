// SPDX-License-Identifier: Apache-2.0
// The part of a layer that touches the KV cache: storing keys and values, and attending to them.
#include <cmath>

#include "engine/decoder.h"

namespace lg {

// A task is a piece of a sequence and a kv head, as in Attend: in decoding most heads meet the thread that has just stored
// them.
void Decoder::StoreKeysAndValues(size_t layer, const Pass& pass) {
  pool_.Run(pass.stores.size() * config_.kv_heads, [&](size_t task, size_t) {
    const Span& span = pass.stores[task / config_.kv_heads];
    const size_t h = task % config_.kv_heads;
    float* const keys = act_.qkv.data() + span.first_row * act_.qkv_stride + config_.q_size() + h * config_.head_dim;
    for (size_t row = 0; row < span.rows; ++row) Rotate(keys + row * act_.qkv_stride, 1, span.first_row + row);
    kernels_.kv_store({keys, keys + config_.kv_size(), act_.qkv_stride, span.rows, config_.head_dim, span.first_position % kKeyBlock,
                       span.sequence->mutable_segment(span.first_position / kKeyBlock) + kv_shape().head_offset(layer, h)});
  });
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
