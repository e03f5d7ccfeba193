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

void Decoder::StoreKeysAndValues(size_t layer, const Spans& spans) {
  for (const Span& span : spans.spans) {
    pool_.Run(span.rows, [&](size_t i, size_t) {
      const size_t row = span.first_row + i, position = span.first_position + i;
      const size_t segment = position / kKeyBlock, slot = position % kKeyBlock;
      float* const keys = act_.qkv.data() + row * act_.qkv_stride + config_.q_size();
      const float* const values = keys + config_.kv_size();
      kernels_.rope({keys, act_.rope_cos.data() + row * config_.head_dim, act_.rope_sin.data() + row * config_.head_dim,
                     config_.kv_heads, config_.head_dim});
      for (size_t h = 0; h < config_.kv_heads; ++h) {
        StoreKey(keys + h * config_.head_dim, config_.head_dim, slot, span.sequence->mutable_keys(segment, layer, h));
        StoreValue(values + h * config_.head_dim, config_.head_dim, slot, span.sequence->mutable_values(segment, layer, h));
      }
    });
  }
}

// One task is a run of positions of one sequence under one kv head. Queries are read and outputs written in place.
void Decoder::Attend(size_t layer, const Spans& spans) {
  struct Task {
    const Span* span;
    size_t first_row, rows, kv_head;
  };
  std::vector<Task> tasks;
  std::vector<const uint16_t*> pointers;  // [span][kv_head]{ keys [segments], values [segments] }
  std::vector<size_t> first_pointer;      // [span]
  for (const Span& span : spans.spans) {
    const size_t segments = (span.first_position + span.rows + kKeyBlock - 1) / kKeyBlock;
    first_pointer.push_back(pointers.size());
    for (size_t h = 0; h < config_.kv_heads; ++h) {
      for (size_t s = 0; s < segments; ++s) pointers.push_back(span.sequence->keys(s, layer, h));
      for (size_t s = 0; s < segments; ++s) pointers.push_back(span.sequence->values(s, layer, h));
      for (size_t row = 0; row < span.rows; row += kAttentionRows) {
        tasks.push_back({&span, row, std::min(kAttentionRows, span.rows - row), h});
      }
    }
  }
  const float scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim));
  pool_.Run(tasks.size(), [&](size_t index, size_t thread) {
    const Task& task = tasks[index];
    const Span& span = *task.span;
    const size_t segments = (span.first_position + span.rows + kKeyBlock - 1) / kKeyBlock;
    const uint16_t* const* keys = pointers.data() + first_pointer[static_cast<size_t>(&span - spans.spans.data())] + task.kv_head * 2 * segments;
    float* const q = act_.qkv.data() + (span.first_row + task.first_row) * act_.qkv_stride + task.kv_head * config_.heads_per_kv() * config_.head_dim;
    kernels_.attention({q, q, act_.qkv_stride, task.rows, config_.heads_per_kv(), config_.head_dim, span.first_position + task.first_row, scale,
                        keys, keys + segments, act_.scratch.of(thread)});
  });
}

}  // namespace lg
