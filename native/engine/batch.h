// SPDX-License-Identifier: Apache-2.0
// A ragged batch: some new tokens for each of several sequences, laid out as consecutive rows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kv_cache/kv_sequence.h"

namespace lg {

// Most tokens of one pass: bounds the memory of activations. Longer prompts come in several passes, with the same bits.
inline constexpr size_t kMaxBatchTokens = 2048;

struct BatchItem {
  KvSequence* sequence;
  const uint32_t* tokens;
  size_t count;   // at least 1
  size_t logits;  // how many of the last tokens want logits, 0..count
};

// The rows of one sequence in the activation matrices.
struct Span {
  KvSequence* sequence;
  size_t first_row;
  size_t rows;
  size_t first_position;
};

struct Spans {
  std::vector<Span> spans;
  size_t rows = 0;

  // Every token of the batch.
  static Spans All(const std::vector<BatchItem>& batch) {
    Spans all;
    for (const BatchItem& item : batch) all.Add(item.sequence, item.count, item.sequence->length());
    return all;
  }
  // The tokens that want logits.
  static Spans Wanted(const std::vector<BatchItem>& batch) {
    Spans wanted;
    for (const BatchItem& item : batch) {
      if (item.logits > 0) wanted.Add(item.sequence, item.logits, item.sequence->length() + item.count - item.logits);
    }
    return wanted;
  }
  // The same rows, cut where positions are multiples of `positions`.
  std::vector<Span> CutAt(size_t positions) const {
    std::vector<Span> pieces;
    for (const Span& span : spans) {
      for (size_t row = 0, rows; row < span.rows; row += rows) {
        const size_t position = span.first_position + row;
        rows = std::min(positions - position % positions, span.rows - row);
        pieces.push_back({span.sequence, span.first_row + row, rows, position});
      }
    }
    return pieces;
  }

 private:
  void Add(KvSequence* sequence, size_t count, size_t first_position) {
    spans.push_back({sequence, rows, count, first_position});
    rows += count;
  }
};

}  // namespace lg
