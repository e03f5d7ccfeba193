// SPDX-License-Identifier: Apache-2.0
// Cosines and sines of positions, computed by our own double-precision routine: libm's last bits differ by platform.
#pragma once

#include <cstddef>

namespace lg {

// cos[head_dim] and sin[head_dim] of one position, in the form that the rope kernels read (see RopeArgs). The loader has
// checked that position * freq lies in 0 .. 2^20.
void RopeRow(const float* freqs, size_t head_dim, size_t position, float* cos, float* sin);

}  // namespace lg
