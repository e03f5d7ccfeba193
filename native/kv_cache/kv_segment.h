// SPDX-License-Identifier: Apache-2.0
// 64 positions of keys and values: in memory of their own, or where a file is mapped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/aligned_buffer.h"
#include "base/arch.h"
#include "kernels/attention/attention.h"
#include "runtime/mapped_file.h"

namespace lg {

// What a segment must hold.
struct KvShape {
  size_t layers, kv_heads, head_dim;

  // f16 elements of the keys (or the values) of one kv head in one segment.
  size_t head_elements() const { return kKeyBlock * head_dim; }
  size_t segment_elements() const { return layers * kv_heads * 2 * head_elements(); }
  // Where a kv head's keys lie in a segment; its values follow them.
  size_t head_offset(size_t layer, size_t kv_head) const { return (layer * kv_heads + kv_head) * 2 * head_elements(); }
  size_t segment_bytes() const { return segment_elements() * sizeof(uint16_t); }
  size_t bytes_per_token() const { return segment_bytes() / kKeyBlock; }
};

// Segments that hold `positions`.
inline constexpr size_t KvSegmentCount(size_t positions) { return (positions + kKeyBlock - 1) / kKeyBlock; }

// Positions cut at absolute multiples of 64: f16 [layer][kv_head]{ keys [head_dim][64], values [64][head_dim] }.
// Keys lie transposed, so that 16 of them are side by side for one dimension. On a 64-byte boundary.
class KvSegment {
 public:
  // Memory for `elements`, not initialised; false when there is too little.
  bool Allocate(size_t elements) { return memory_.Allocate(elements); }
  // The segment whose first byte is `offset`, a multiple of 64, of `file`: it keeps the mapping, and is never written.
  void Map(std::shared_ptr<const MappedFile> file, size_t offset) {
    LG_DCHECK(offset % kAlignment == 0);
    mapped_ = reinterpret_cast<const uint16_t*>(file->data() + offset);
    file_ = std::move(file);
  }

  bool mapped() const { return file_ != nullptr; }
  const uint16_t* data() const { return mapped() ? mapped_ : memory_.data(); }
  uint16_t* mutable_data() {
    LG_DCHECK(!mapped());
    return memory_.data();
  }

 private:
  AlignedBuffer<uint16_t> memory_;
  std::shared_ptr<const MappedFile> file_;
  const uint16_t* mapped_ = nullptr;
};

}  // namespace lg
