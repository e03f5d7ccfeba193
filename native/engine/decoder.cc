// SPDX-License-Identifier: Apache-2.0
// The forward pass in the order of the Llama papers: norm, qkv, rope, attention, residual, norm, gated MLP, residual.
#include "engine/decoder.h"

#include <cmath>
#include <cstring>
#include <string>

#include "ops/embedding.h"
#include "ops/linear.h"
#include "ops/rope_table.h"
#include "runtime/affinity.h"
#include "runtime/float_env.h"

namespace lg {

Status Decoder::Forward(const std::vector<BatchItem>& batch, const std::atomic<bool>& cancelled, float* logits) {
  const ScopedFloatEnv float_env;
  const ScopedAffinity affinity(pool_.cpus());
  LG_RETURN_IF_ERROR(Check(batch));
  const Status status = Compute(batch, cancelled, logits);
  for (const BatchItem& item : batch) {
    if (status.ok()) {
      item.sequence->Commit(item.count);
    } else {
      item.sequence->Truncate(item.sequence->length());  // gives back what was reserved
    }
  }
  return status;
}

Status Decoder::Compute(const std::vector<BatchItem>& batch, const std::atomic<bool>& cancelled, float* logits) {
  LG_RETURN_IF_ERROR(Reserve(batch));
  const Pass pass(batch, (pool_.threads() * 4 + config_.kv_heads - 1) / config_.kv_heads);  // four tasks a thread

  Embed(batch);
  for (size_t i = 0; i + 1 < config_.layers && !cancelled; ++i) Layer(i, pass);
  if (!cancelled) LastLayer(config_.layers - 1, pass);
  if (cancelled) return Status::Error(kAborted, "Expected to compute all layers, found the pass cancelled");
  return pass.wanted.rows() > 0 ? Head(pass.wanted.rows(), logits) : Status::Ok();
}

void Decoder::Layer(size_t index, const Pass& pass) {
  const LayerWeights& layer = weights_.layers[index];
  NormAndQuantize(layer.attention_norm, pass.all.rows(), MlpOutput(index));
  Project(layer.wqkv, 0, layer.wqkv.panels, pass.all.rows(), act_.qkv.data(), act_.qkv_stride);
  StoreKeysAndValues(index, pass);
  AttentionAndMlp(layer, index, pass.all);
}

// Keys and values of every token are needed by later passes, but the rest of the last layer only for tokens that want
// logits: their rows move to the front after the keys and values are stored.
void Decoder::LastLayer(size_t index, const Pass& pass) {
  const LayerWeights& layer = weights_.layers[index];
  const size_t q_panels = config_.q_size() / kPanelRows;
  NormAndQuantize(layer.attention_norm, pass.all.rows(), MlpOutput(index));
  Project(layer.wqkv, q_panels, layer.wqkv.panels - q_panels, pass.all.rows(), act_.qkv.data() + config_.q_size(), act_.qkv_stride);
  StoreKeysAndValues(index, pass);
  if (pass.wanted.rows() == 0) return;
  KeepWanted(pass.batch);
  Project(layer.wqkv, 0, q_panels, pass.wanted.rows(), act_.qkv.data(), act_.qkv_stride);
  AttentionAndMlp(layer, index, pass.wanted);
}

// From queries to what the MLP adds to x; the next norm adds it. The plan may leave out tokens whose keys are in the cache.
void Decoder::AttentionAndMlp(const LayerWeights& layer, size_t index, const AttentionPlan& plan) {
  const size_t rows = plan.rows();
  Attend(index, plan);
  QuantizeRows(act_.qkv.data(), act_.qkv_stride, config_.q_size(), rows);
  Project(layer.wo, 0, layer.wo.panels, rows, act_.y.data(), act_.y_stride);

  NormAndQuantize(layer.ffn_norm, rows, act_.y.data());
  GatedLinear(kernels_, pool_, act_.scratch,
              {act_.q8.rows(), rows, &layer.w13, 0, layer.w13.panels, act_.gated.data(), config_.intermediate});
  QuantizeRows(act_.gated.data(), config_.intermediate, config_.intermediate, rows);
  Project(layer.w2, 0, layer.w2.panels, rows, act_.y.data(), act_.y_stride);
}

Status Decoder::Head(size_t rows, float* logits) {
  NormAndQuantize(weights_.norm, rows, act_.y.data());
  Project(weights_.output, 0, weights_.output.panels, rows, act_.y.data(), act_.y_stride);
  bool finite = true;
  for (size_t row = 0; row < rows; ++row) {
    const float* from = act_.y.data() + row * act_.y_stride;
    std::memcpy(logits + row * config_.labels, from, config_.labels * sizeof(float));
    for (size_t i = 0; i < config_.labels; ++i) finite &= std::isfinite(from[i]);
  }
  if (finite) return Status::Ok();
  return Status::Error(kNonFinite, "Expected finite label logits, found NaN or infinity");
}

Status Decoder::Check(const std::vector<BatchItem>& batch) const {
  size_t total = 0;
  for (const BatchItem& item : batch) {
    if (item.count == 0 || item.logits > item.count) {
      return Status::Error(kInvalidArgument, "Expected at least one token an item and no more logits than tokens");
    }
    const size_t length = item.sequence->length() + item.count;
    if (length > config_.context) {
      return Status::Error(kContextOverflow, "Expected at most " + std::to_string(config_.context) + " tokens in a sequence, found " + std::to_string(length));
    }
    for (size_t i = 0; i < item.count; ++i) {
      if (item.tokens[i] < config_.vocab) continue;
      return Status::Error(kInvalidArgument, "Expected token ids below " + std::to_string(config_.vocab) + ", found " + std::to_string(item.tokens[i]));
    }
    total += item.count;
  }
  if (total == 0 || total > kMaxBatchTokens) {
    return Status::Error(kInvalidArgument, "Expected 1.." + std::to_string(kMaxBatchTokens) + " tokens in a pass, found " + std::to_string(total));
  }
  return Status::Ok();
}

Status Decoder::Reserve(const std::vector<BatchItem>& batch) {
  size_t rows = 0;
  for (const BatchItem& item : batch) {
    LG_RETURN_IF_ERROR(item.sequence->Reserve(item.count));
    rows += item.count;
  }
  if (act_.Reserve(config_, rows, pool_.threads())) return Status::Ok();
  return Status::Error(kOutOfMemory, "Expected memory for the activations of " + std::to_string(rows) + " tokens, found too little");
}

void Decoder::Embed(const std::vector<BatchItem>& batch) {
  const EmbeddingTable& table = weights_.tok_embeddings;
  size_t first_row = 0;
  for (const BatchItem& item : batch) {
    pool_.Run(item.count, [&](size_t i, size_t) {
      const size_t row = first_row + i;
      EmbedRow({table.q4, table.scales, config_.hidden, config_.embedding_group, item.tokens[i], act_.x.data() + row * config_.hidden});
      RopeRow(weights_.rope_freqs, config_.head_dim, item.sequence->length() + i, act_.rope_cos.data() + row * config_.head_dim,
              act_.rope_sin.data() + row * config_.head_dim);
    });
    first_row += item.count;
  }
}

void Decoder::NormAndQuantize(const float* weight, size_t rows, const float* add) {
  pool_.Run(rows, [&](size_t row, size_t thread) {
    float* const normed = act_.scratch.of(thread);
    const float* const added = add == nullptr ? nullptr : add + row * act_.y_stride;
    kernels_.rms_norm({act_.x.data() + row * config_.hidden, added, weight, config_.hidden, config_.rms_norm_eps, normed});
    kernels_.quantize_q8({normed, config_.hidden, config_.group, act_.q8.q(row), act_.q8.corr(row), act_.q8.inv(row)});
  });
}

void Decoder::QuantizeRows(const float* from, size_t stride, size_t k, size_t rows) {
  pool_.Run(rows, [&](size_t row, size_t) {
    kernels_.quantize_q8({from + row * stride, k, config_.group, act_.q8.q(row), act_.q8.corr(row), act_.q8.inv(row)});
  });
}

void Decoder::Project(const PanelMatrix& matrix, size_t first_panel, size_t panels, size_t rows, float* c, size_t c_stride) {
  Linear(kernels_, pool_, {act_.q8.rows(), rows, &matrix, first_panel, panels, c, c_stride});
}

void Decoder::KeepWanted(const std::vector<BatchItem>& batch) {
  size_t to = 0, end = 0;
  for (const BatchItem& item : batch) {
    end += item.count;
    for (size_t from = end - item.logits; from < end; ++from, ++to) {
      if (from == to) continue;
      std::memcpy(act_.x.data() + to * config_.hidden, act_.x.data() + from * config_.hidden, config_.hidden * sizeof(float));
      std::memcpy(act_.rope_cos.data() + to * config_.head_dim, act_.rope_cos.data() + from * config_.head_dim, config_.head_dim * sizeof(float));
      std::memcpy(act_.rope_sin.data() + to * config_.head_dim, act_.rope_sin.data() + from * config_.head_dim, config_.head_dim * sizeof(float));
      act_.q8.CopyRow(to, from);
    }
  }
}

}  // namespace lg
