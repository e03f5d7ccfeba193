// SPDX-License-Identifier: Apache-2.0
// Keys and values of one conversation: a chain of segments of 64 positions, which sequences share where they agree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "kv_cache/kv_segment.h"

namespace lg {

// Owns its segments together with the sequences that share them; a segment that is shared or lies in a file is never
// written, but copied first. Not thread-safe: one user at a time (the binding marks a sequence busy while a pass uses it).
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

  // Bytes that Export writes.
  size_t ExportBytes() const { return KvSegmentCount(length_) * shape_.segment_bytes(); }
  // Copies all segments, one after the other. Slots that hold no position are zero: equal positions give equal bytes.
  void Export(uint16_t* to) const;
  // Makes this the sequence of the `length` positions whose export begins at byte `offset`, a multiple of 64, of a file:
  // mapped, and trusted to be what Export wrote. Errors: MODEL_NOT_FOUND, UNREADABLE, OUT_OF_MEMORY, TRUNCATED.
  Status Map(const std::string& path, size_t offset, size_t length);

  // [KvShape::segment_elements()]
  const uint16_t* segment(size_t index) const { return segments_[index]->data(); }
  // Of a segment that Reserve has made room in.
  uint16_t* mutable_segment(size_t index) { return segments_[index]->mutable_data(); }

  // Bytes of the segments that this sequence may write: those in memory that no other sequence shares.
  size_t OwnedBytes() const;

 private:
  using Segment = std::shared_ptr<KvSegment>;

  static bool Writable(const Segment& segment) { return segment.use_count() == 1 && !segment->mapped(); }
  Status NewSegment(const KvSegment* copy_of, Segment* segment) const;
  // Zeroes the slots of an exported segment from `used` on.
  void ClearSlots(uint16_t* segment, size_t used) const;

  KvShape shape_;
  size_t length_ = 0;
  std::vector<Segment> segments_;
};

}  // namespace lg
