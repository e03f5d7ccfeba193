// SPDX-License-Identifier: Apache-2.0
// The Llama 3.2 decoder with a label head: tokens in, label logits out.
#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

#include "base/isa.h"
#include "base/status.h"
#include "engine/activations.h"
#include "engine/batch.h"
#include "engine/pass.h"
#include "model/weights.h"
#include "ops/kernel_set.h"
#include "runtime/thread_pool.h"

namespace lg {

// Owns its threads and activations, and the weights together with others. One Forward at a time; the sequences that it
// is given must not be used by anyone else meanwhile.
class Decoder {
 public:
  Decoder(const ModelConfig& config, Weights weights, Isa isa, const ThreadPlan& threads)
      : config_(config), weights_(std::move(weights)), kernels_(isa), pool_(threads) {}

  const ModelConfig& config() const { return config_; }
  const Weights& weights() const { return weights_; }
  Isa isa() const { return kernels_.isa; }
  size_t threads() const { return pool_.threads(); }
  KvShape kv_shape() const { return {config_.layers, config_.kv_heads, config_.head_dim}; }

  // Appends each item's tokens to its sequence and writes label logits, [sum of item.logits][labels], in batch order.
  // Stops at the end of the layer during which another thread sets `cancelled`. On failure every sequence is as before.
  // Errors: INVALID_ARGUMENT, CONTEXT_OVERFLOW, OUT_OF_MEMORY, NON_FINITE, ABORTED.
  Status Forward(const std::vector<BatchItem>& batch, const std::atomic<bool>& cancelled, float* logits);

 private:
  Status Check(const std::vector<BatchItem>& batch) const;
  Status Compute(const std::vector<BatchItem>& batch, const std::atomic<bool>& cancelled, float* logits);
  Status Reserve(const std::vector<BatchItem>& batch);
  void Embed(const std::vector<BatchItem>& batch);
  void Layer(size_t index, const Pass& pass);
  void LastLayer(size_t index, const Pass& pass);
  void AttentionAndMlp(const LayerWeights& layer, size_t index, const AttentionPlan& plan);
  void KeepWanted(const std::vector<BatchItem>& batch);

  // `add`: [rows][y_stride], which is added to x first, or null.
  void NormAndQuantize(const float* weight, size_t rows, const float* add);
  // What the MLP of the layer before `index` adds to x.
  const float* MlpOutput(size_t index) { return index == 0 ? nullptr : act_.y.data(); }
  void QuantizeRows(const float* from, size_t stride, size_t k, size_t rows);
  void StoreKeysAndValues(size_t layer, const Pass& pass);
  void Rotate(float* x, size_t heads, size_t row);
  void Attend(size_t layer, const AttentionPlan& plan);
  void Project(const PanelMatrix& matrix, size_t first_panel, size_t panels, size_t rows, float* c, size_t c_stride);
  Status Head(size_t rows, float* logits);

  const ModelConfig config_;
  const Weights weights_;
  const KernelSet kernels_;
  ThreadPool pool_;
  Activations act_;
};

}  // namespace lg
