// SPDX-License-Identifier: Apache-2.0
// Memory and numbers for one case of the self-test, the same for every kernel that is given it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/arch.h"
#include "base/f16.h"

namespace lg {

// How floats are drawn. `wild`: a third of them zeros, subnormal or huge values, and those at which exp ends.
enum class Draw { ordinary, wild };

// Hands out parts of a buffer that outlives it, and draws what goes into them.
class Operands {
 public:
  // Bytes that the largest case takes are fewer.
  static constexpr size_t kBytes = size_t{2} << 20;

  Operands(AlignedBuffer<uint8_t>* memory, uint32_t seed) : memory_(memory), state_(seed) {}

  // `count` elements whose bits are all set, at the start of a cache line...
  template <typename T>
  T* Line(size_t count) {
    T* const data = reinterpret_cast<T*>(memory_->data() + used_);
    used_ = (used_ + count * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
    LG_DCHECK(used_ <= memory_->size());
    std::memset(data, 0xff, count * sizeof(T));
    return data;
  }
  // ...or one element behind it, where no vector is aligned.
  template <typename T>
  T* Odd(size_t count) {
    return Line<T>(count + 1) + 1;
  }

  // A whole number below 2^32 (the generator known as xorshift32).
  uint32_t Word() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return state_;
  }
  // A whole number of low..high.
  int Integer(int low, int high) { return low + static_cast<int>(Word() % static_cast<uint32_t>(high - low + 1)); }
  // In [-size, size), size a power of two: exact on every machine.
  float Real(float size) { return (static_cast<float>(Word() >> 8) * 0x1p-23f - 1.0f) * size; }

  float* Floats(size_t count, float size, Draw draw = Draw::ordinary) {
    static constexpr float kSpecial[] = {0.0f, -0.0f, 1e-45f, -1e-39f, 1e-30f, 87.0f, -87.0f, 88.5f, -103.0f, 1e30f, -3e38f};
    float* const x = Odd<float>(count);
    for (size_t i = 0; i < count; ++i) {
      const bool special = draw == Draw::wild && Word() % 3 == 0;
      x[i] = special ? kSpecial[Word() % (sizeof kSpecial / sizeof kSpecial[0])] : Real(size);
    }
    return x;
  }
  // Finite halves.
  uint16_t* Halves(size_t count, float size) {
    uint16_t* const x = Odd<uint16_t>(count);
    for (size_t i = 0; i < count; ++i) x[i] = F16FromFloat(Real(size));
    return x;
  }

 private:
  AlignedBuffer<uint8_t>* const memory_;
  size_t used_ = 0;
  uint32_t state_;
};

// What a kernel wrote over all cases. Every NaN counts as the same one, since the contract does not say which it is.
class Results {
 public:
  void Add(const float* data, size_t count) {
    for (size_t i = 0; i < count; ++i) words_.push_back(data[i] == data[i] ? BitsFromFloat(data[i]) : kAnyNaN);
  }
  template <typename Integer>
  void Add(const Integer* data, size_t count) {
    for (size_t i = 0; i < count; ++i) words_.push_back(static_cast<uint32_t>(data[i]));
  }
  bool operator==(const Results& other) const { return words_ == other.words_; }

 private:
  static constexpr uint32_t kAnyNaN = 0x7fc00000u;
  std::vector<uint32_t> words_;
};

}  // namespace lg
