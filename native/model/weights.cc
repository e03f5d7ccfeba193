// SPDX-License-Identifier: Apache-2.0
// The container reader: from names, types, shapes and ranges that somebody wrote into a file to pointers that are safe.
#include "model/weights.h"

#include <unordered_map>

#include "base/aligned_buffer.h"
#include "base/f16.h"
#include "base/xxhash64.h"
#include "quant/q4.h"

namespace lg {
namespace {

constexpr double kMostAngle = 1 << 20;

std::string ShapeText(const std::vector<uint64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

uint64_t ElementBytes(const std::string& dtype) {
  if (dtype == "U8") return 1;
  if (dtype == "I16" || dtype == "F16") return 2;
  return dtype == "F32" ? 4 : 0;
}

// Whether no word has all bits of `exponent` set. A mask as wide as the word, not a bool, lets the compiler use vectors.
template <typename Word>
bool AllBelow(const uint8_t* data, uint64_t count, Word exponent) {
  const Word* words = reinterpret_cast<const Word*>(data);
  Word found = 0;
  for (uint64_t i = 0; i < count; ++i) found |= (words[i] & exponent) == exponent ? static_cast<Word>(-1) : Word{0};
  return found == 0;
}

class Reader {
 public:
  Reader(const MappedFile& file, const std::string& path, const std::vector<TensorEntry>& tensors, std::vector<uint64_t>* checksums)
      : file_(file), path_(path), checksums_(checksums) {
    for (const TensorEntry& tensor : tensors) tensors_.emplace(tensor.name, &tensor);
  }

  // The bytes of tensor `name` after all checks. `shape` comes from a checked config: its product cannot overflow.
  Status Find(const std::string& name, const char* dtype, const std::vector<uint64_t>& shape, const uint8_t** data) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) return Bad(name, "is missing");
    const TensorEntry& tensor = *found->second;
    if (tensor.dtype != dtype || tensor.shape != shape) {
      return Bad(name, "was expected as " + std::string(dtype) + " " + ShapeText(shape) + ", found " + tensor.dtype + " " + ShapeText(tensor.shape));
    }
    uint64_t bytes = ElementBytes(tensor.dtype);
    for (const uint64_t extent : shape) bytes *= extent;
    if (tensor.begin > tensor.end || tensor.end - tensor.begin != bytes) {
      return Bad(name, "was expected to span " + std::to_string(bytes) + " bytes, found " + std::to_string(tensor.begin) + ".." + std::to_string(tensor.end));
    }
    if (tensor.end > file_.size()) {
      return Status::Error(kTruncated, "Expected " + path_ + " to hold tensor " + name + " up to byte " + std::to_string(tensor.end) +
                                           ", found a file of " + std::to_string(file_.size()) + " bytes");
    }
    if (tensor.begin % kAlignment != 0) return Bad(name, "does not start on a 64-byte boundary");
    *data = file_.data() + tensor.begin;
    return Status::Ok();
  }

  Status FindFloats(const std::string& name, uint64_t count, const float** data) const {
    const uint8_t* bytes;
    LG_RETURN_IF_ERROR(Find(name, "F32", {count}, &bytes));
    LG_RETURN_IF_ERROR(ReadNumbers(name, bytes, count, 4));
    *data = reinterpret_cast<const float*>(bytes);
    return Status::Ok();
  }

  // Angles are position * frequency: they must stay where the reduction by pi/2 of ops/rope_table.cc is exact.
  Status FindFrequencies(const std::string& name, const ModelConfig& config, const float** data) const {
    LG_RETURN_IF_ERROR(FindFloats(name, config.head_dim / 2, data));
    for (size_t i = 0; i < config.head_dim / 2; ++i) {
      const double angle = static_cast<double>((*data)[i]) * static_cast<double>(config.context);
      if (!(angle >= 0 && angle < kMostAngle)) return Bad(name, "holds a frequency that is negative or too large: " + std::to_string((*data)[i]));
    }
    return Status::Ok();
  }

  Status FindScales(const std::string& name, const std::vector<uint64_t>& shape, size_t group, const uint8_t** data) const {
    LG_RETURN_IF_ERROR(Find(name, ScaleBytes(group) == 4 ? "F32" : "F16", shape, data));
    uint64_t count = 1;
    for (const uint64_t extent : shape) count *= extent;
    return ReadNumbers(name, *data, count, ScaleBytes(group));
  }

  Status FindMatrix(const std::string& name, size_t n, size_t k, size_t group, PanelMatrix* m) const {
    const uint64_t panels = PanelCount(n), groups = k / group;
    const uint8_t* sums;
    LG_RETURN_IF_ERROR(Find(name + ".q4", "U8", {panels, k / kStepInputs, kStepBytes}, &m->q4));
    LG_RETURN_IF_ERROR(FindScales(name + ".scales", {panels, groups, kPanelRows}, group, &m->scales));
    LG_RETURN_IF_ERROR(Find(name + ".sums", "I16", {panels, groups, kPanelRows}, &sums));
    checksums_->push_back(XxHash64(sums, panels * groups * kPanelRows * sizeof(int16_t)));
    m->sums = reinterpret_cast<const int16_t*>(sums);
    m->panels = panels;
    m->k = k;
    m->group = group;
    return Status::Ok();
  }

 private:
  Status Bad(const std::string& name, const std::string& what) const {
    return Status::Error(kBadTensor, "Tensor " + name + " of " + path_ + " " + what);
  }

  // All exponent bits set means NaN or infinity. Takes the tensor's checksum as well.
  Status ReadNumbers(const std::string& name, const uint8_t* data, uint64_t count, size_t bytes) const {
    const bool finite = bytes == 4 ? AllBelow<uint32_t>(data, count, 0x7f800000) : AllBelow<uint16_t>(data, count, 0x7c00);
    checksums_->push_back(XxHash64(data, count * bytes));
    if (finite) return Status::Ok();
    return Status::Error(kNonFinite, "Expected finite numbers in tensor " + name + " of " + path_ + ", found NaN or infinity");
  }

  const MappedFile& file_;
  const std::string& path_;
  std::vector<uint64_t>* const checksums_;
  std::unordered_map<std::string, const TensorEntry*> tensors_;
};

Status LoadLayer(const Reader& reader, const ModelConfig& c, size_t index, LayerWeights* layer) {
  const std::string prefix = "layers." + std::to_string(index) + ".";
  LG_RETURN_IF_ERROR(reader.FindFloats(prefix + "attention_norm", c.hidden, &layer->attention_norm));
  LG_RETURN_IF_ERROR(reader.FindMatrix(prefix + "attention.wqkv", c.q_size() + 2 * c.kv_size(), c.hidden, c.group, &layer->wqkv));
  LG_RETURN_IF_ERROR(reader.FindMatrix(prefix + "attention.wo", c.hidden, c.q_size(), c.group, &layer->wo));
  LG_RETURN_IF_ERROR(reader.FindFloats(prefix + "ffn_norm", c.hidden, &layer->ffn_norm));
  LG_RETURN_IF_ERROR(reader.FindMatrix(prefix + "feed_forward.w13", 2 * c.intermediate, c.hidden, c.group, &layer->w13));
  return reader.FindMatrix(prefix + "feed_forward.w2", c.hidden, c.intermediate, c.group, &layer->w2);
}

}  // namespace

Status LoadWeights(const std::string& path, const ModelConfig& c, const std::vector<TensorEntry>& tensors, Weights* weights) {
  LG_RETURN_IF_ERROR(CheckConfig(c));
  LG_RETURN_IF_ERROR(MappedFile::Open(path, &weights->file));
  const Reader reader(*weights->file, path, tensors, &weights->checksums);
  LG_RETURN_IF_ERROR(reader.Find("tok_embeddings.q4", "U8", {c.vocab, c.hidden / 2}, &weights->tok_embeddings.q4));
  weights->file->AdviseRandom(weights->tok_embeddings.q4, c.vocab * c.hidden / 2);
  LG_RETURN_IF_ERROR(reader.FindScales("tok_embeddings.scales", {c.vocab, c.hidden / c.embedding_group}, c.embedding_group,
                                       &weights->tok_embeddings.scales));
  weights->layers.resize(c.layers);
  for (size_t i = 0; i < c.layers; ++i) LG_RETURN_IF_ERROR(LoadLayer(reader, c, i, &weights->layers[i]));
  LG_RETURN_IF_ERROR(reader.FindFloats("norm", c.hidden, &weights->norm));
  LG_RETURN_IF_ERROR(reader.FindMatrix("output", c.labels, c.hidden, c.group, &weights->output));
  return reader.FindFrequencies("rope.freqs", c, &weights->rope_freqs);
}

void PopulateWeights(const Weights& weights, std::chrono::steady_clock::time_point deadline) {
  const auto populate = [&](const PanelMatrix& m) {
    weights.file->Populate(m.q4, m.panels * (m.k / kStepInputs) * kStepBytes, deadline);
  };
  for (const LayerWeights& layer : weights.layers) {
    for (const PanelMatrix* m : {&layer.wqkv, &layer.wo, &layer.w13, &layer.w2}) populate(*m);
  }
}

}  // namespace lg
