// SPDX-License-Identifier: Apache-2.0
// c[m][n] = inv[m] * sum over groups of scale[n][g] * sum over the group of (q[m][k] - zp[m]) * w[n][k].
// a: INT8 rows of quantize_q8. b: INT4 panels (panel16). c: f32. The integer sums are exact; the float part is
// acc = fma(float(isum), scale, acc), groups ascending from 0, then acc * inv: docs/numerics.md.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/registry.h"
#include "packing/panel16.h"

namespace lg {

// Quantized activations. `corr` holds per (row, group) two int16 in one int32: low -zp, high sum of q over the group;
// with the panel's pair (sum of w, -8), one multiply-add gives -zp * sum w - 8 * sum q, the integer correction that turns
// sum q*u into sum (q - zp) * w. |sum q| <= 128 * 256, so that it fits (the sum -32768 does, +32768 cannot occur).
struct Q8Rows {
  const int8_t* q;  // [m][q_stride]
  size_t q_stride;  // bytes; a multiple of 64
  const int32_t* corr;  // [m][corr_stride]
  size_t corr_stride;   // elements
  const float* inv;     // [m]
};

struct Q4Q8MatmulArgs {
  Q8Rows a;
  size_t m;
  PanelMatrix b;
  size_t first_panel, panel_count;  // the panels to compute
  float* c;                         // [m][c_stride]; panel p goes to columns 16 * (p - first_panel) on
  size_t c_stride;                  // elements
};

using Q4Q8MatmulKernel = void(const Q4Q8MatmulArgs& args);

#define LG_KERNEL(isa, name, min_rows) Q4Q8MatmulKernel name;
#include "kernels/q4q8_matmul/kernels.inc"
#undef LG_KERNEL

KernelList<Q4Q8MatmulKernel> Q4Q8MatmulKernels();

}  // namespace lg
