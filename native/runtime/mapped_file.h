// SPDX-License-Identifier: Apache-2.0
// A file mapped into memory for reading.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"

namespace lg {

// Owns the mapping. Const after opening; may be read from any thread. Opening a file that this process has mapped already
// gives the same mapping, so that models and sequences opened side by side, in worker threads too, share it.
class MappedFile {
 public:
  static Status Open(const std::string& path, std::shared_ptr<const MappedFile>* file);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // Rows of [begin, begin + bytes) will be read here and there: the system should not read ahead around them.
  void AdviseRandom(const uint8_t* begin, size_t bytes) const;

  // Enters the pages of [begin, begin + bytes) into the page table, piece by piece until `deadline`. A hint: does nothing
  // where the system cannot (it takes Linux 5.14).
  void Populate(const uint8_t* begin, size_t bytes, std::chrono::steady_clock::time_point deadline) const;

  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  MappedFile(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  const uint8_t* data_;
  size_t size_;
};

}  // namespace lg
