// SPDX-License-Identifier: Apache-2.0
// Every buffer of a forward pass, with its shape; grown to the largest pass so far and kept.
#pragma once

#include <algorithm>

#include "base/aligned_buffer.h"
#include "engine/attention_plan.h"
#include "kernels/attention/attention.h"
#include "model/config.h"
#include "ops/linear.h"
#include "ops/q8_matrix.h"

namespace lg {

struct Activations {
  AlignedBuffer<float> x;         // [rows][hidden]                  residual stream
  AlignedBuffer<float> qkv;       // [rows][q + 2 kv]                queries (attention's output takes their place), keys, values
  AlignedBuffer<float> gated;     // [rows][intermediate]            silu(gate) * up
  AlignedBuffer<float> y;         // [rows][max(hidden, labels)]     what a layer adds to x; at the end the logits
  AlignedBuffer<float> rope_cos;  // [rows][head_dim]
  AlignedBuffer<float> rope_sin;  // [rows][head_dim]
  Q8Matrix q8;                    // [rows][max(hidden, q, intermediate)]  input of the next linear layer
  ThreadScratch scratch;          // per thread

  size_t qkv_stride = 0, y_stride = 0;  // elements

  // False when memory is short.
  bool Reserve(const ModelConfig& c, size_t rows, size_t threads) {
    const size_t widest = std::max({c.hidden, c.q_size(), c.intermediate});
    const size_t attention = AttentionScratchFloats(std::min(rows, kAttentionRows), c.heads_per_kv(), c.head_dim);
    qkv_stride = c.q_size() + 2 * c.kv_size();
    y_stride = std::max(c.hidden, PanelCount(c.labels) * kPanelRows);
    return x.Reserve(rows * c.hidden) && qkv.Reserve(rows * qkv_stride) && gated.Reserve(rows * c.intermediate) &&
           y.Reserve(rows * y_stride) && rope_cos.Reserve(rows * c.head_dim) && rope_sin.Reserve(rows * c.head_dim) &&
           q8.Reserve(rows, widest, c.group) &&
           scratch.Reserve(threads, std::max({attention, GatedScratchFloats(rows), widest}));
  }
};

}  // namespace lg
