// SPDX-License-Identifier: Apache-2.0
// The definition of attention, one query at a time.
#include <cmath>

#include "base/f16.h"
#include "kernels/attention/attention.h"
#include "kernels/math/scalar.h"

namespace lg {
namespace {

struct Softmax {  // the running state of one query
  float max;
  float lanes[kLanes];
};

// `keys` and `values` are one block, of which the query sees the first `count`.
void AddBlock(const AttentionArgs& a, const uint16_t* keys, const uint16_t* values, size_t count, const float* q, Softmax* state, float* out) {
  float p[kKeyBlock];
  float max = state->max;
  for (size_t j = 0; j < count; ++j) {
    float dot = 0.0f;
    for (size_t d = 0; d < a.head_dim; ++d) dot = fmaf(q[d], FloatFromF16(keys[d * kKeyBlock + j]), dot);
    p[j] = dot;
    max = dot > max ? dot : max;
  }
  const float keep = ExpScalar(state->max - max);
  state->max = max;
  for (float& lane : state->lanes) lane *= keep;
  for (size_t d = 0; d < a.head_dim; ++d) out[d] *= keep;
  for (size_t j = 0; j < count; ++j) {
    p[j] = ExpScalar(p[j] - max);
    state->lanes[j % kLanes] += p[j];
    for (size_t d = 0; d < a.head_dim; ++d) {
      out[d] = fmaf(p[j], FloatFromF16(values[j * a.head_dim + d]), out[d]);
    }
  }
}

void AttendRun(const AttentionArgs& a, const AttentionRun& run) {
  float* q = a.scratch;
  float* out = a.scratch + a.head_dim;
  for (size_t row = 0; row < run.rows; ++row) {
    const size_t seen = run.first_position + row + 1;
    for (size_t h = 0; h < a.heads; ++h) {
      const size_t offset = row * a.stride + h * a.head_dim;
      for (size_t d = 0; d < a.head_dim; ++d) {
        q[d] = run.q[offset + d] * a.scale;
        out[d] = 0.0f;
      }
      Softmax state = {kScoreFloor, {}};
      for (size_t first = 0; first < seen; first += kKeyBlock) {
        const size_t block = first / kKeyBlock;
        AddBlock(a, KeysOf(a, run, block), ValuesOf(a, run, block), Least(seen - first, kKeyBlock), q, &state, out);
      }
      const float inverse = 1.0f / SumLanesScalar(state.lanes);
      for (size_t d = 0; d < a.head_dim; ++d) run.out[offset + d] = out[d] * inverse;
    }
  }
}

}  // namespace

void attention_1x64_scalar(const AttentionArgs& a) {
  for (size_t i = 0; i < a.run_count; ++i) AttendRun(a, a.runs[i]);
}

}  // namespace lg
