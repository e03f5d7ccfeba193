// SPDX-License-Identifier: Apache-2.0
// Keys and values of one conversation: a chain of segments of 64 positions, which sequences share where they agree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/status.h"
#include "kernels/attention/attention.h"

namespace lg {

// What a segment must hold.
struct KvShape {
  size_t layers, kv_heads, head_dim;

  // f16 elements of the keys (or the values) of one kv head in one segment.
  size_t head_elements() const { return kKeyBlock * head_dim; }
  size_t segment_elements() const { return layers * kv_heads * 2 * head_elements(); }
  size_t bytes_per_token() const { return segment_elements() * sizeof(uint16_t) / kKeyBlock; }
};

// 64 positions, cut at absolute multiples of 64: f16 [layer][kv_head]{ keys [head_dim][64], values [64][head_dim] }.
// Keys lie transposed, so that 16 of them are side by side for one dimension.
using KvSegment = AlignedBuffer<uint16_t>;

// Owns its segments together with the sequences that share them; a segment that is shared is never written, but copied
// first. Not thread-safe: one user at a time (the binding marks a sequence busy while a pass uses it).
class KvSequence {
 public:
  explicit KvSequence(const KvShape& shape) : shape_(shape) {}

  size_t length() const { return length_; }
  size_t segments() const { return segments_.size(); }
  const KvShape& shape() const { return shape_; }

  // Makes room for `count` more positions, with exclusive ownership of every segment that they touch. On failure the
  // sequence holds what it held. Error: OUT_OF_MEMORY.
  Status Reserve(size_t count);
  // `count` reserved positions have been written and now belong to the sequence.
  void Commit(size_t count) { length_ += count; }
  // Keeps the first `length` positions; length <= length().
  void Truncate(size_t length);
  // A sequence with the same first `length` positions: whole segments shared, the rest copied. length <= length().
  Status Fork(size_t length, KvSequence* fork) const;

  uint16_t* keys(size_t segment, size_t layer, size_t kv_head) { return segments_[segment]->data() + Offset(layer, kv_head); }
  uint16_t* values(size_t segment, size_t layer, size_t kv_head) { return keys(segment, layer, kv_head) + shape_.head_elements(); }

  // Bytes of the segments that no other sequence shares.
  size_t OwnedBytes() const;

 private:
  size_t Offset(size_t layer, size_t kv_head) const { return (layer * shape_.kv_heads + kv_head) * 2 * shape_.head_elements(); }
  Status NewSegment(const KvSegment* copy_of, std::shared_ptr<KvSegment>* segment) const;

  KvShape shape_;
  size_t length_ = 0;
  std::vector<std::shared_ptr<KvSegment>> segments_;
};

}  // namespace lg
