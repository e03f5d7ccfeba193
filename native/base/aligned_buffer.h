// SPDX-License-Identifier: Apache-2.0
// A 64-byte aligned block of memory that reports failure instead of throwing. Contents are not initialised.
// Large blocks are mapped on their own, so that they go back to the system when they go: malloc keeps one arena for each
// thread that ever allocated, and passes run on whichever thread of Node's pool is free.
#pragma once

#include <sys/mman.h>

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
  ~AlignedBuffer() { Free(); }

  // Replaces the contents by `size` elements; false (and empty) when memory is short.
  bool Allocate(size_t size) {
    Free();
    if (size > (SIZE_MAX - kAlignment) / sizeof(T)) return false;
    void* memory = nullptr;
    if (IsMapped(size)) {
      memory = mmap(nullptr, size * sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (memory == MAP_FAILED) return false;
    } else if (posix_memalign(&memory, kAlignment, size * sizeof(T) + kAlignment) != 0) {
      return false;  // bionic has aligned_alloc only from API 28
    }
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
  static constexpr size_t kMappedBytes = 256 * 1024;
  static bool IsMapped(size_t size) { return size * sizeof(T) >= kMappedBytes; }

  void Free() {
    if (data_ != nullptr && IsMapped(size_)) {
      munmap(data_, size_ * sizeof(T));
    } else {
      std::free(data_);
    }
    data_ = nullptr;
    size_ = 0;
  }

  T* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace lg
