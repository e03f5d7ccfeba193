// SPDX-License-Identifier: Apache-2.0
// A 64-byte aligned block of memory that reports failure instead of throwing. Contents are not initialised.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <utility>

namespace lg {

inline constexpr size_t kAlignment = 64;  // a cache line, and the widest vector

template <typename T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  AlignedBuffer(AlignedBuffer&& other) noexcept : data_(other.data_), size_(other.size_) {
    other.data_ = nullptr;
    other.size_ = 0;
  }
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  ~AlignedBuffer() { std::free(data_); }

  // Replaces the contents by `size` elements; false (and empty) when memory is short.
  bool Allocate(size_t size) {
    std::free(data_);
    data_ = nullptr;
    size_ = 0;
    if (size > (SIZE_MAX - kAlignment) / sizeof(T)) return false;
    void* memory = nullptr;  // posix_memalign: bionic has aligned_alloc only from API 28
    if (posix_memalign(&memory, kAlignment, size * sizeof(T) + kAlignment) != 0) return false;
    data_ = static_cast<T*>(memory);
    size_ = size;
    return true;
  }
  // Grows to at least `size` elements; contents are lost when it grows.
  bool Reserve(size_t size) { return size <= size_ || Allocate(size); }

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return size_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace lg
