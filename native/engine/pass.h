// SPDX-License-Identifier: Apache-2.0
// One forward pass: its rows, and how the steps that know sequences are cut into tasks.
#pragma once

#include <vector>

#include "engine/attention_plan.h"
#include "engine/batch.h"

namespace lg {

// Positions of a task that stores keys and values: one cache line of a dimension's keys, which so has one writer.
inline constexpr size_t kStoredPositions = kAlignment / sizeof(uint16_t);

// Valid while its batch is, and its sequences keep their segments.
struct Pass {
  // `calls`: of the attention kernel for each kv head, at least, where there are rows enough.
  Pass(const std::vector<BatchItem>& items, size_t calls)
      : batch(items), stores(Spans::All(items).CutAt(kStoredPositions)), all(Spans::All(items), calls), wanted(Spans::Wanted(items), calls) {}

  const std::vector<BatchItem>& batch;
  const std::vector<Span> stores;
  const AttentionPlan all;     // every row
  const AttentionPlan wanted;  // those whose logits are wanted, when only they are left
};

}  // namespace lg
