// SPDX-License-Identifier: Apache-2.0
// Cases of the integer families: q4q8_matmul and quantize_q8.
#include "kernels/quantize_q8/params.h"
#include "packing/panel16.h"
#include "quant/q4.h"
#include "selftest/cases.h"

namespace lg {
namespace {

// Rows below, at and behind the tiles of all kernels; odd numbers of panels; k of one group and of several.
constexpr struct {
  size_t m, panels, first_panel, group, groups;
} kProducts[] = {
    {1, 1, 0, 32, 1},  {1, 3, 1, 256, 3}, {2, 2, 0, 64, 3},   {3, 5, 0, 128, 1}, {4, 3, 0, 256, 1},  {5, 2, 1, 32, 5},
    {6, 3, 0, 64, 2},  {7, 1, 0, 128, 2}, {8, 5, 2, 256, 2},  {9, 3, 0, 32, 3},  {13, 2, 0, 64, 1},  {17, 3, 1, 128, 3},
    {32, 4, 0, 64, 5}, {33, 5, 0, 256, 1}, {49, 3, 0, 32, 1}, {97, 2, 0, 64, 1},
};
constexpr size_t kGap = 3;  // elements between rows

// Every third case has the values at the ends of their ranges alone, which give the largest sums.
bool AtCorners(size_t index) { return index % 3 == 1; }

Q8Rows MakeRows(size_t index, Operands& in) {
  const auto& shape = kProducts[index];
  const size_t q_stride = (shape.group * shape.groups + 63) / 64 * 64, corr_stride = shape.groups + kGap;
  int8_t* const q = in.Odd<int8_t>(shape.m * q_stride);
  int32_t* const corr = in.Odd<int32_t>(shape.m * corr_stride);
  for (size_t row = 0; row < shape.m; ++row) {
    const int zero_point = AtCorners(index) ? (row % 2 == 0 ? -128 : 127) : in.Integer(-128, 127);
    for (size_t g = 0; g < shape.groups; ++g) {
      int sum = 0;
      for (size_t i = g * shape.group; i < (g + 1) * shape.group; ++i) {
        const int value = AtCorners(index) ? (row % 3 == 0 ? 127 : -128) : in.Integer(-128, 127);
        q[row * q_stride + i] = static_cast<int8_t>(value);
        sum += value;
      }
      corr[row * corr_stride + g] = Q8Correction(zero_point, sum);
    }
  }
  return {q, q_stride, corr, corr_stride, in.Floats(shape.m, 0.125f)};
}

PanelMatrix MakeMatrix(size_t index, Operands& in) {
  const auto& shape = kProducts[index];
  const size_t n = shape.panels * kPanelRows, k = shape.group * shape.groups, cells = n * shape.groups;
  uint8_t* const values = in.Line<uint8_t>(n * k / 2);
  for (size_t i = 0; i < n * k / 2; ++i) {
    values[i] = static_cast<uint8_t>(AtCorners(index) ? (i % 5 == 0 ? 0xff : 0x00) : in.Integer(0, 255));
  }
  const bool halves = ScaleBytes(shape.group) == sizeof(uint16_t);
  const void* const row_scales = halves ? static_cast<const void*>(in.Halves(cells, 0.03125f)) : in.Floats(cells, 0.03125f);
  uint8_t* const q4 = in.Line<uint8_t>(shape.panels * PanelBytes(k));
  uint8_t* const scales = in.Line<uint8_t>(cells * ScaleBytes(shape.group));
  int16_t* const sums = in.Line<int16_t>(cells);
  PackPanels({values, static_cast<const uint8_t*>(row_scales), n, k, shape.group, q4, scales, sums});
  return {q4, scales, sums, shape.panels, k, shape.group};
}

void ProductCase(size_t index, Q4Q8MatmulKernel* kernel, Operands& in, Results* out) {
  const auto& shape = kProducts[index];
  const size_t panel_count = shape.panels - shape.first_panel, c_stride = panel_count * kPanelRows + kGap;
  const Q8Rows rows = MakeRows(index, in);
  const PanelMatrix matrix = MakeMatrix(index, in);
  float* const c = in.Odd<float>(shape.m * c_stride);
  kernel({rows, shape.m, matrix, shape.first_panel, panel_count, c, c_stride});
  out->Add(c, shape.m * c_stride);
}

constexpr size_t kGroups[] = {32, 64, 128, 256};
enum Row { ordinary, wild, one_sign, zeros, poisoned, kRowKinds };

void QuantizeCase(size_t index, QuantizeQ8Kernel* kernel, Operands& in, Results* out) {
  const size_t group = kGroups[index / kRowKinds], k = group * (1 + index % 3);
  const size_t kind = index % kRowKinds;
  float* const x = in.Floats(k, 4.0f, kind == wild ? Draw::wild : Draw::ordinary);
  for (size_t i = 0; i < k; ++i) {
    if (kind == one_sign) x[i] = 0.25f + x[i] * x[i];
    if (kind == zeros) x[i] = 0.0f;
  }
  if (kind == poisoned) x[k - 1] = FloatFromBits(kInfinityBits);
  int8_t* const q = in.Odd<int8_t>(k);
  int32_t* const corr = in.Odd<int32_t>(k / group);
  float* const inv = in.Odd<float>(1);
  kernel({x, k, group, q, corr, inv});
  out->Add(q, k);
  out->Add(corr, k / group);
  out->Add(inv, 1);
}

}  // namespace

const Cases<Q4Q8MatmulKernel> kQ4Q8MatmulCases = {sizeof kProducts / sizeof kProducts[0], ProductCase};
const Cases<QuantizeQ8Kernel> kQuantizeQ8Cases = {sizeof kGroups / sizeof kGroups[0] * kRowKinds, QuantizeCase};

}  // namespace lg
