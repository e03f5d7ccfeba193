// SPDX-License-Identifier: Apache-2.0
// Outputs are independent: any cut into tasks gives the same bits.
#include "ops/linear.h"

#include <algorithm>

namespace lg {
namespace {

// Even, so that a pair of panels stays together; about sixteen tasks a thread, so that a core at a fifth of its speed holds
// up the others for a third of their share.
size_t PanelsPerTask(size_t panels, size_t threads) {
  const size_t target = panels / (threads * 16);
  return std::max<size_t>(2, target / 2 * 2);
}

}  // namespace

void Linear(const KernelSet& kernels, ThreadPool& pool, const LinearArgs& args) {
  Q4Q8MatmulKernel* const matmul = kernels.q4q8_matmul(args.rows);
  const size_t chunk = PanelsPerTask(args.panel_count, pool.threads());
  pool.Run((args.panel_count + chunk - 1) / chunk, [&](size_t task, size_t) {
    const size_t first = task * chunk, count = std::min(chunk, args.panel_count - first);
    matmul({args.a, args.rows, *args.b, args.first_panel + first, count, args.c + first * kPanelRows, args.c_stride});
  });
}

void GatedLinear(const KernelSet& kernels, ThreadPool& pool, ThreadScratch& scratch, const LinearArgs& args) {
  Q4Q8MatmulKernel* const matmul = kernels.q4q8_matmul(args.rows);
  const size_t pairs = args.panel_count / 2;
  pool.Run((pairs + kGatedPanelPairs - 1) / kGatedPanelPairs, [&](size_t task, size_t thread) {
    const size_t first = task * kGatedPanelPairs, count = std::min(kGatedPanelPairs, pairs - first);
    float* const gate_up = scratch.of(thread);
    const size_t stride = count * 2 * kPanelRows;
    matmul({args.a, args.rows, *args.b, args.first_panel + 2 * first, 2 * count, gate_up, stride});
    kernels.silu_mul({gate_up, stride, args.c + first * kPanelRows, args.c_stride, args.rows, count * kPanelRows});
  });
}

}  // namespace lg
