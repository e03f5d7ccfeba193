// SPDX-License-Identifier: Apache-2.0
// Segments are allocated as a sequence grows.
#include "kv_cache/kv_sequence.h"

#include <cstring>
#include <string>

#include "base/arch.h"

namespace lg {

Status KvSequence::NewSegment(const KvSegment* copy_of, std::shared_ptr<KvSegment>* segment) const {
  auto fresh = std::make_shared<KvSegment>();
  const size_t elements = shape_.segment_elements();
  if (!fresh->Allocate(elements)) {
    return Status::Error(kOutOfMemory, "Expected " + std::to_string(elements * sizeof(uint16_t)) + " bytes for keys and values, found too little memory");
  }
  if (copy_of != nullptr) std::memcpy(fresh->data(), copy_of->data(), elements * sizeof(uint16_t));
  *segment = std::move(fresh);
  return Status::Ok();
}

Status KvSequence::Reserve(size_t count) {
  const size_t needed = (length_ + count + kKeyBlock - 1) / kKeyBlock, before = segments_.size();
  const size_t partial = length_ / kKeyBlock;  // the segment that the next position falls into
  if (partial < before && segments_[partial].use_count() > 1) {
    LG_RETURN_IF_ERROR(NewSegment(segments_[partial].get(), &segments_[partial]));
  }
  while (segments_.size() < needed) {
    std::shared_ptr<KvSegment> segment;
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
  segments_.resize((length + kKeyBlock - 1) / kKeyBlock);
}

Status KvSequence::Fork(size_t length, KvSequence* fork) const {
  LG_DCHECK(length <= length_);
  const size_t whole = length / kKeyBlock;
  fork->shape_ = shape_;
  fork->length_ = length;
  fork->segments_.assign(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(whole));
  if (length % kKeyBlock == 0) return Status::Ok();
  std::shared_ptr<KvSegment> rest;
  LG_RETURN_IF_ERROR(NewSegment(segments_[whole].get(), &rest));
  fork->segments_.push_back(std::move(rest));
  return Status::Ok();
}

size_t KvSequence::OwnedBytes() const {
  size_t owned = 0;
  for (const auto& segment : segments_) owned += segment.use_count() == 1 ? 1 : 0;
  return owned * shape_.segment_elements() * sizeof(uint16_t);
}

}  // namespace lg
