// SPDX-License-Identifier: Apache-2.0
// Cases of the float families that work on rows: rms_norm, rope, silu_mul, softmax. Each shape once with ordinary and once
// with wild values.
#include "selftest/cases.h"

namespace lg {
namespace {

constexpr size_t kNorms[] = {16, 32, 48, 80, 144, 1040};
constexpr struct {
  size_t heads, head_dim;
} kHeads[] = {{1, 16}, {3, 48}, {4, 64}, {5, 80}, {2, 128}};
constexpr struct {
  size_t rows, n;
} kGates[] = {{1, 16}, {2, 48}, {3, 80}, {1, 256}, {5, 112}};
constexpr size_t kLogits[] = {1, 7, 15, 16, 17, 31, 33, 65, 257};

template <typename Shape, size_t N>
constexpr size_t Twice(const Shape (&)[N]) {
  return 2 * N;
}

void RmsNormCase(size_t index, RmsNormKernel* kernel, Operands& in, Results* out) {
  const size_t n = kNorms[index / 2];
  float* const x = in.Floats(n, 4.0f, DrawOf(index));
  const float* const add = index % 3 == 0 ? nullptr : in.Floats(n, 2.0f);
  const float* const weight = in.Floats(n, 2.0f);
  float* const y = add == nullptr && n % 32 == 0 ? x : in.Odd<float>(n);
  kernel({x, add, weight, n, 1e-5f, y});
  out->Add(x, n);
  out->Add(y, n);
}

void RopeCase(size_t index, RopeKernel* kernel, Operands& in, Results* out) {
  const auto& shape = kHeads[index / 2];
  const size_t count = shape.heads * shape.head_dim;
  float* const x = in.Floats(count, 4.0f, DrawOf(index));
  float* const cos = in.Floats(shape.head_dim, 1.0f);
  float* const sin = in.Floats(shape.head_dim, 1.0f);
  for (size_t i = 0; i < shape.head_dim; i += 2) {
    cos[i + 1] = cos[i];
    sin[i + 1] = -sin[i];
  }
  kernel({x, cos, sin, shape.heads, shape.head_dim});
  out->Add(x, count);
}

void SiluMulCase(size_t index, SiluMulKernel* kernel, Operands& in, Results* out) {
  const auto& shape = kGates[index / 2];
  const size_t gap = 5 * index, gate_up_stride = 2 * shape.n + gap, y_stride = shape.n + gap;
  const float* const gate_up = in.Floats(shape.rows * gate_up_stride, 16.0f, DrawOf(index));
  float* const y = in.Odd<float>(shape.rows * y_stride);
  kernel({gate_up, gate_up_stride, y, y_stride, shape.rows, shape.n});
  out->Add(y, shape.rows * y_stride);
}

void SoftmaxCase(size_t index, SoftmaxKernel* kernel, Operands& in, Results* out) {
  const size_t n = kLogits[index / 2];
  float* const x = in.Floats(n, 32.0f, DrawOf(index));
  float* const y = n % 2 == 0 ? x : in.Odd<float>(n);
  kernel({x, n, y});
  out->Add(y, n);
}

}  // namespace

const Cases<RmsNormKernel> kRmsNormCases = {Twice(kNorms), RmsNormCase};
const Cases<RopeKernel> kRopeCases = {Twice(kHeads), RopeCase};
const Cases<SiluMulKernel> kSiluMulCases = {Twice(kGates), SiluMulCase};
const Cases<SoftmaxKernel> kSoftmaxCases = {Twice(kLogits), SoftmaxCase};

}  // namespace lg
