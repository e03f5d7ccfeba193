// SPDX-License-Identifier: Apache-2.0
// The linear layers: which kernel, how the outputs are cut into tasks. Knows no model graph.
#pragma once

#include "base/aligned_buffer.h"
#include "ops/kernel_set.h"
#include "ops/q8_matrix.h"
#include "runtime/thread_pool.h"

namespace lg {

// One buffer per thread, grown when needed.
class ThreadScratch {
 public:
  bool Reserve(size_t threads, size_t floats_per_thread) {
    stride_ = (floats_per_thread + 15) / 16 * 16;
    return buffer_.Reserve(threads * stride_);
  }
  float* of(size_t thread) { return buffer_.data() + thread * stride_; }

 private:
  AlignedBuffer<float> buffer_;
  size_t stride_ = 0;
};

struct LinearArgs {
  Q8Rows a;
  size_t rows;
  const PanelMatrix* b;
  size_t first_panel, panel_count;
  float* c;         // [rows][c_stride], first panel at column 0
  size_t c_stride;  // elements
};

// c = a * b^T over a range of panels.
void Linear(const KernelSet& kernels, ThreadPool& pool, const LinearArgs& args);

// Outputs of w13 that one task computes: gate and up panels pass through a scratch buffer that stays in cache.
inline constexpr size_t kGatedPanelPairs = 4;
inline constexpr size_t GatedScratchFloats(size_t rows) { return rows * kGatedPanelPairs * 2 * kPanelRows; }

// c = silu(a * w1^T) * (a * w3^T) with w1 and w3 interleaved by panels in b; c has half of b's outputs.
void GatedLinear(const KernelSet& kernels, ThreadPool& pool, ThreadScratch& scratch, const LinearArgs& args);

}  // namespace lg
