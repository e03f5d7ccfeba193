// SPDX-License-Identifier: Apache-2.0
// Memory that catches a kernel which leaves its operands: an inaccessible page on either side, and a known pattern in
// the bytes between the operand and those pages. An access to a page ends the process; a write to the pattern is reported.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lg::lab {

// Where an operand lies between its two guard pages.
enum class Placement {
  front,  // begins where the first guard page ends
  end,    // ends where the second guard page begins, as far as its alignment allows
  odd,    // one element before `end`: no operand but those that the contract aligns lies on a vector boundary
};

class GuardedBuffer {
 public:
  GuardedBuffer() = default;
  GuardedBuffer(GuardedBuffer&& other) noexcept;
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;
  ~GuardedBuffer();

  // False when memory is short. `alignment` is a power of two of at most a page and a multiple of `element`.
  // The operand's bytes are all 0xff, which is NaN in every float format.
  bool Allocate(size_t bytes, size_t element, size_t alignment, Placement placement);
  // From now on a write to the operand ends the process, too.
  void Seal();
  // Whether the bytes around the operand still hold the pattern.
  bool Intact() const;

  uint8_t* data() { return data_; }

 private:
  uint8_t* pages_ = nullptr;  // the first guard page
  size_t inner_bytes_ = 0;    // accessible bytes between the guard pages
  uint8_t* data_ = nullptr;
  size_t bytes_ = 0;
};

// The operands of one call.
using Arena = std::vector<GuardedBuffer>;

}  // namespace lg::lab
