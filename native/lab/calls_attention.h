// SPDX-License-Identifier: Apache-2.0
// Calls of attention. Every block of keys and values lies in guarded memory of its own.
#pragma once

#include <vector>

#include "kernels/attention/attention.h"
#include "lab/calls_vector.h"

namespace lg::lab {

class AttentionCall : public FloatCall {
 public:
  AttentionCall(AttentionKernel* kernel, Reader& in) : kernel_(kernel) {
    a_.heads = in.Count("heads", 1, 64);
    a_.head_dim = in.Count("headDim", 16, kMaxHeadDim, 16);
    a_.stride = in.Count("stride", a_.heads * a_.head_dim, 1 << 16);
    a_.block_offset = in.Count("blockOffset", 0, 1 << 16);
    a_.scale = in.Float("scale");
    ReadRuns(in);
    const size_t rows = RowsOfRuns(a_);
    const bool in_place = in.Flag("inPlace");
    const size_t count = (rows - 1) * a_.stride + a_.heads * a_.head_dim;
    float* q = in.InOut<float>("q", count);
    float* out = Results("out", in_place ? q : in.Output<float>(count), count);
    for (AttentionRun& run : runs_) {
      run.q = q;
      run.out = out;
      q += run.rows * a_.stride;
      out += run.rows * a_.stride;
    }
    a_.scratch = in.Output<float>(AttentionScratchFloats(rows, a_.heads, a_.head_dim), Aligned::line);
    ReadBlocks(in);
  }
  void Run() override { kernel_(a_); }

 private:
  void ReadRuns(Reader& in) {
    const std::vector<size_t> rows = in.Counts("rows", 1, 4096), positions = in.Counts("firstPositions", 0, 1 << 14);
    in.Check(rows.size() == positions.size(), "Expected as many of 'firstPositions' as of 'rows'");
    for (size_t i = 0; in.ok() && i < rows.size(); ++i) runs_.push_back({nullptr, nullptr, rows[i], positions[i], nullptr});
    if (runs_.empty()) runs_.push_back({nullptr, nullptr, 1, 0, nullptr});  // after an error
    a_.shared_blocks = in.Count("sharedBlocks", 0, LeastPosition() / kKeyBlock);
    a_.runs = runs_.data();
    a_.run_count = runs_.size();
  }

  size_t LeastPosition() const {
    size_t least = runs_[0].first_position;
    for (const AttentionRun& run : runs_) least = std::min(least, run.first_position);
    return least;
  }

  // 'blocks' holds those that are shared, then each run's own.
  void ReadBlocks(Reader& in) {
    size_t all = a_.shared_blocks;
    for (const AttentionRun& run : runs_) all += BlocksOf(run) - a_.shared_blocks;
    const size_t size = a_.block_offset + 2 * kKeyBlock * a_.head_dim;
    std::vector<const uint16_t*> blocks;
    for (size_t i = 0; i < all; ++i) blocks.push_back(in.InputPart<uint16_t>("blocks", {all * size, i * size, size}));
    auto own = blocks.begin() + static_cast<std::ptrdiff_t>(a_.shared_blocks);
    const auto shared_end = own;
    for (const AttentionRun& run : runs_) {
      blocks_.emplace_back(blocks.begin(), shared_end);
      const auto end = own + static_cast<std::ptrdiff_t>(BlocksOf(run) - a_.shared_blocks);
      blocks_.back().insert(blocks_.back().end(), own, end);
      own = end;
    }
    for (size_t i = 0; i < runs_.size(); ++i) runs_[i].blocks = blocks_[i].data();
  }

  static size_t BlocksOf(const AttentionRun& run) { return (run.first_position + run.rows + kKeyBlock - 1) / kKeyBlock; }

  AttentionKernel* kernel_;
  AttentionArgs a_ = {};
  std::vector<AttentionRun> runs_;
  std::vector<std::vector<const uint16_t*>> blocks_;  // [run][block]
};

}  // namespace lg::lab
