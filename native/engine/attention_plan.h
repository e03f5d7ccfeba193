// SPDX-License-Identifier: Apache-2.0
// How the rows of a pass are cut into calls of the attention kernel. One plan serves every layer and kv head.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/batch.h"

namespace lg {

// Most rows of a call: enough for widening a block of keys and values to f32 to cost little beside their use.
inline constexpr size_t kAttentionRows = 32;

// Consecutive rows of one sequence.
struct PlannedRun {
  size_t first_row, rows;  // in the activation matrices
  size_t first_position;
  const uint16_t* const* blocks;  // the sequence's segments
};

// The runs of one call; they have their first `shared_blocks` segments in common.
struct PlannedCall {
  size_t first_run, run_count;
  size_t shared_blocks;
  size_t keys;  // that its rows see, together
};

// Sequences that share segments come into the same calls, so that a common prefix is read once for all of them. Valid while
// no sequence of the pass changes its segments.
class AttentionPlan {
 public:
  // `calls`: into how many the rows are cut, at least, where they are enough.
  AttentionPlan(const Spans& spans, size_t calls);
  AttentionPlan(const AttentionPlan&) = delete;  // runs point into blocks_
  AttentionPlan& operator=(const AttentionPlan&) = delete;

  size_t rows() const { return rows_; }
  const std::vector<PlannedCall>& calls() const { return calls_; }  // those with most work first
  const PlannedRun* runs(const PlannedCall& call) const { return runs_.data() + call.first_run; }

 private:
  struct Chain;
  void AddCalls(const Chain* chains, size_t count, size_t shared_blocks, size_t rows_per_call);

  size_t rows_;
  std::vector<const uint16_t*> blocks_;
  std::vector<PlannedRun> runs_;
  std::vector<PlannedCall> calls_;
};

}  // namespace lg
