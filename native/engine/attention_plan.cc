// SPDX-License-Identifier: Apache-2.0
// A result does not depend on the cut: the kernel sees the same blocks of keys in the same order for every row.
#include "engine/attention_plan.h"

#include <algorithm>

namespace lg {

// A span with its segments.
struct AttentionPlan::Chain {
  const Span* span;
  const uint16_t* const* blocks;
  size_t count;

  bool operator<(const Chain& other) const {
    return std::lexicographical_compare(blocks, blocks + count, other.blocks, other.blocks + other.count);
  }
  size_t SharedWith(const Chain& other) const {
    size_t shared = 0;
    while (shared < std::min(count, other.count) && blocks[shared] == other.blocks[shared]) ++shared;
    return shared;
  }
};

AttentionPlan::AttentionPlan(const Spans& spans, size_t calls) : rows_(spans.rows) {
  size_t segments = 0;
  for (const Span& span : spans.spans) segments += span.sequence->segments();
  blocks_.reserve(segments);  // chains point into it
  std::vector<Chain> chains;
  for (const Span& span : spans.spans) {
    chains.push_back({&span, blocks_.data() + blocks_.size(), span.sequence->segments()});
    for (size_t s = 0; s < span.sequence->segments(); ++s) blocks_.push_back(span.sequence->segment(s));
  }
  // In this order sequences stand beside those that they share most with.
  std::sort(chains.begin(), chains.end());
  const size_t rows_per_call = std::min(std::max<size_t>(rows_ / calls, 8), kAttentionRows);
  for (size_t i = 0, end; i < chains.size(); i = end) {
    end = i + 1;
    const size_t shared = end < chains.size() ? chains[i].SharedWith(chains[end]) : 0;
    while (shared > 0 && end < chains.size() && chains[end - 1].SharedWith(chains[end]) == shared) ++end;
    AddCalls(chains.data() + i, end - i, shared, rows_per_call);
  }
  std::stable_sort(calls_.begin(), calls_.end(), [](const PlannedCall& a, const PlannedCall& b) { return a.keys > b.keys; });
}

void AttentionPlan::AddCalls(const Chain* chains, size_t count, size_t shared_blocks, size_t rows_per_call) {
  size_t room = 0;  // of the last call, in rows
  for (size_t i = 0; i < count; ++i) {
    const Span& span = *chains[i].span;
    for (size_t row = 0, rows; row < span.rows; row += rows) {
      if (room == 0) {
        calls_.push_back({runs_.size(), 0, shared_blocks, 0});
        room = rows_per_call;
      }
      rows = std::min(room, span.rows - row);
      runs_.push_back({span.first_row + row, rows, span.first_position + row, chains[i].blocks});
      calls_.back().run_count += 1;
      calls_.back().keys += rows * (span.first_position + row) + rows * (rows + 1) / 2;
      room -= rows;
    }
  }
}

}  // namespace lg
