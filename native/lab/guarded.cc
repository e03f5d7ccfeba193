// SPDX-License-Identifier: Apache-2.0
// Guard pages by mmap and mprotect.
#include "lab/guarded.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

namespace lg::lab {
namespace {

constexpr uint8_t kPattern = 0xa5;
constexpr uint8_t kUnwritten = 0xff;

size_t PageBytes() {
  static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

size_t RoundUp(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

bool AllPattern(const uint8_t* begin, const uint8_t* end) {
  for (const uint8_t* p = begin; p < end; ++p) {
    if (*p != kPattern) return false;
  }
  return true;
}

}  // namespace

GuardedBuffer::GuardedBuffer(GuardedBuffer&& other) noexcept
    : pages_(other.pages_), inner_bytes_(other.inner_bytes_), data_(other.data_), bytes_(other.bytes_) {
  other.pages_ = nullptr;
}

GuardedBuffer::~GuardedBuffer() {
  if (pages_ != nullptr) munmap(pages_, inner_bytes_ + 2 * PageBytes());
}

bool GuardedBuffer::Allocate(size_t bytes, size_t element, size_t alignment, Placement placement) {
  const size_t shift = placement == Placement::odd && alignment == element ? element : 0;
  inner_bytes_ = RoundUp(bytes + shift + alignment, PageBytes());
  void* pages = mmap(nullptr, inner_bytes_ + 2 * PageBytes(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return false;
  pages_ = static_cast<uint8_t*>(pages);
  uint8_t* begin = pages_ + PageBytes();
  if (mprotect(begin, inner_bytes_, PROT_READ | PROT_WRITE) != 0) return false;
  data_ = placement == Placement::front ? begin : begin + inner_bytes_ - RoundUp(bytes, alignment) - shift;
  bytes_ = bytes;
  std::memset(begin, kPattern, static_cast<size_t>(data_ - begin));
  std::memset(data_, kUnwritten, bytes);
  std::memset(data_ + bytes, kPattern, static_cast<size_t>(begin + inner_bytes_ - data_) - bytes);
  return true;
}

void GuardedBuffer::Seal() { mprotect(pages_ + PageBytes(), inner_bytes_, PROT_READ); }

bool GuardedBuffer::Intact() const {
  const uint8_t* begin = pages_ + PageBytes();
  return AllPattern(begin, data_) && AllPattern(data_ + bytes_, begin + inner_bytes_);
}

}  // namespace lg::lab
