// SPDX-License-Identifier: Apache-2.0
// Views of a mapped container, named as in Meta's checkpoint: docs/packing-format.md lists every tensor.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "model/config.h"
#include "packing/panel16.h"
#include "runtime/mapped_file.h"

namespace lg {

// A tensor as the file's header describes it; nothing in it is trusted.
struct TensorEntry {
  std::string name;
  std::string dtype;
  std::vector<uint64_t> shape;
  uint64_t begin, end;  // bytes from the start of the file
};

struct EmbeddingTable {
  const uint8_t* q4;      // [vocab][hidden/2], low nibble = even column
  const uint8_t* scales;  // [vocab][hidden/embedding_group]
};

struct LayerWeights {
  const float* attention_norm;  // [hidden]
  PanelMatrix wqkv;             // [q + 2 kv][hidden]
  PanelMatrix wo;               // [hidden][q]
  const float* ffn_norm;        // [hidden]
  PanelMatrix w13;              // [2 * intermediate][hidden], gate and up interleaved by panels
  PanelMatrix w2;               // [hidden][intermediate]
};

// Immutable after Load; may be used from any thread. Holds the mapping.
struct Weights {
  std::shared_ptr<const MappedFile> file;
  EmbeddingTable tok_embeddings;
  std::vector<LayerWeights> layers;
  const float* norm;        // [hidden]
  PanelMatrix output;       // [labels padded to 16][hidden]
  const float* rope_freqs;  // [head_dim/2]
  // XXH64 of every tensor above but the nibbles (q4), in the order in which they are read.
  std::vector<uint64_t> checksums;
};

// Maps `path` and makes the views. Every range is checked against the file and every shape against `config` before a
// pointer is made; scales and norms are read once and must be finite.
// Errors: MODEL_NOT_FOUND, UNREADABLE, TRUNCATED, BAD_TENSOR, NON_FINITE.
Status LoadWeights(const std::string& path, const ModelConfig& config, const std::vector<TensorEntry>& tensors, Weights* weights);

// Has the system enter the nibbles of all layers into the process's page table, which passes would otherwise do 64 KiB at a
// time; until `deadline`, so that a file that must be read from a slow disk holds nobody up. The embedding, of which a
// text needs few rows, is left alone.
void PopulateWeights(const Weights& weights, std::chrono::steady_clock::time_point deadline);

}  // namespace lg
