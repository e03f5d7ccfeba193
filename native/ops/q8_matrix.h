// SPDX-License-Identifier: Apache-2.0
// Memory for INT8 activations: the rows that a linear layer multiplies with.
#pragma once

#include <cstring>

#include "base/aligned_buffer.h"
#include "kernels/q4q8_matmul/q4q8_matmul.h"

namespace lg {

class Q8Matrix {
 public:
  // Room for `rows` rows of at most `k` inputs in groups of `group`. False when memory is short.
  bool Reserve(size_t rows, size_t k, size_t group) {
    // An odd number of cache lines: kernels read a few bytes each of 8 or 16 rows side by side, and with an odd stride these
    // lie in as many sets of a cache. At 2048 or 4096 bytes they would share one or two.
    q_stride_ = ((k + kAlignment - 1) / kAlignment | 1) * kAlignment;
    corr_stride_ = k / group;
    return q_.Reserve(rows * q_stride_) && corr_.Reserve(rows * corr_stride_) && inv_.Reserve(rows);
  }

  int8_t* q(size_t row) { return q_.data() + row * q_stride_; }
  int32_t* corr(size_t row) { return corr_.data() + row * corr_stride_; }
  float* inv(size_t row) { return inv_.data() + row; }
  void CopyRow(size_t to, size_t from) {
    std::memcpy(q(to), q(from), q_stride_);
    std::memcpy(corr(to), corr(from), corr_stride_ * sizeof(int32_t));
    *inv(to) = *inv(from);
  }
  Q8Rows rows() const { return {q_.data(), q_stride_, corr_.data(), corr_stride_, inv_.data()}; }

 private:
  AlignedBuffer<int8_t> q_;     // [rows][q_stride]
  AlignedBuffer<int32_t> corr_; // [rows][k/group]
  AlignedBuffer<float> inv_;    // [rows]
  size_t q_stride_ = 0, corr_stride_ = 0;
};

}  // namespace lg
