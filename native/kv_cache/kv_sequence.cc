// SPDX-License-Identifier: Apache-2.0
// Segments are allocated as a sequence grows.
#include "kv_cache/kv_sequence.h"

#include <cstring>

#include "base/arch.h"

namespace lg {

Status KvSequence::NewSegment(const KvSegment* copy_of, Segment* segment) const {
  auto fresh = std::make_shared<KvSegment>();
  if (!fresh->Allocate(shape_.segment_elements())) {
    return Status::Error(kOutOfMemory, "Expected " + std::to_string(shape_.segment_bytes()) + " bytes for keys and values, found too little memory");
  }
  if (copy_of != nullptr) std::memcpy(fresh->mutable_data(), copy_of->data(), shape_.segment_bytes());
  *segment = std::move(fresh);
  return Status::Ok();
}

Status KvSequence::Reserve(size_t count) {
  const size_t needed = KvSegmentCount(length_ + count), before = segments_.size();
  const size_t partial = length_ / kKeyBlock;  // the segment that the next position falls into
  if (partial < before && !Writable(segments_[partial])) {
    LG_RETURN_IF_ERROR(NewSegment(segments_[partial].get(), &segments_[partial]));
  }
  while (segments_.size() < needed) {
    Segment segment;
    const Status status = NewSegment(nullptr, &segment);
    if (!status.ok()) {
      segments_.resize(before);
      return status;
    }
    segments_.push_back(std::move(segment));
  }
  return Status::Ok();
}

void KvSequence::Truncate(size_t length) {
  LG_DCHECK(length <= length_);
  length_ = length;
  segments_.resize(KvSegmentCount(length));
}

Status KvSequence::Fork(size_t length, KvSequence* fork) const {
  LG_DCHECK(length <= length_);
  const size_t whole = length / kKeyBlock;
  fork->shape_ = shape_;
  fork->length_ = length;
  fork->segments_.assign(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(whole));
  if (length % kKeyBlock == 0) return Status::Ok();
  Segment rest;
  LG_RETURN_IF_ERROR(NewSegment(segments_[whole].get(), &rest));
  fork->segments_.push_back(std::move(rest));
  return Status::Ok();
}

void KvSequence::Export(uint16_t* to) const {
  const size_t elements = shape_.segment_elements(), whole = length_ / kKeyBlock, used = length_ % kKeyBlock;
  for (size_t i = 0; i < KvSegmentCount(length_); ++i) std::memcpy(to + i * elements, segments_[i]->data(), shape_.segment_bytes());
  if (used > 0) ClearSlots(to + whole * elements, used);
}

void KvSequence::ClearSlots(uint16_t* segment, size_t used) const {
  const size_t free = kKeyBlock - used;
  for (size_t head = 0; head < shape_.layers * shape_.kv_heads; ++head) {
    uint16_t* const keys = segment + head * 2 * shape_.head_elements();
    uint16_t* const values = keys + shape_.head_elements();
    for (size_t d = 0; d < shape_.head_dim; ++d) std::memset(keys + d * kKeyBlock + used, 0, free * sizeof(uint16_t));
    std::memset(values + used * shape_.head_dim, 0, free * shape_.head_dim * sizeof(uint16_t));
  }
}

Status KvSequence::Map(const std::string& path, size_t offset, size_t length) {
  std::shared_ptr<const MappedFile> file;
  LG_RETURN_IF_ERROR(MappedFile::Open(path, &file));
  const size_t count = KvSegmentCount(length), bytes = shape_.segment_bytes();
  if (offset > file->size() || (file->size() - offset) / bytes < count) {
    return Status::Error(kTruncated, "Expected " + path + " to hold " + std::to_string(count) + " times " + std::to_string(bytes) +
                                         " bytes from byte " + std::to_string(offset) + " on, found " + std::to_string(file->size()) + " bytes in all");
  }
  segments_.clear();
  for (size_t i = 0; i < count; ++i) {
    segments_.push_back(std::make_shared<KvSegment>());
    segments_.back()->Map(file, offset + i * bytes);
  }
  length_ = length;
  return Status::Ok();
}

size_t KvSequence::OwnedBytes() const {
  size_t owned = 0;
  for (const Segment& segment : segments_) owned += Writable(segment) ? 1 : 0;
  return owned * shape_.segment_bytes();
}

}  // namespace lg
