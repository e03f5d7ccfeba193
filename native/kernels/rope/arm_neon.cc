// SPDX-License-Identifier: Apache-2.0
// rope, 2 pairs a register: the partner lane comes from one reversal, the sign from the table.
#include <arm_neon.h>

#include "kernels/rope/rope.h"

namespace lg {

void rope_1x4_neon(const RopeArgs& a) {
  for (size_t h = 0; h < a.heads; ++h) {
    float* x = a.x + h * a.head_dim;
    for (size_t i = 0; i < a.head_dim; i += 4) {
      const float32x4_t self = vld1q_f32(x + i);
      const float32x4_t turned = vmulq_f32(vrev64q_f32(self), vld1q_f32(a.sin + i));
      vst1q_f32(x + i, vfmaq_f32(turned, self, vld1q_f32(a.cos + i)));
    }
  }
}

}  // namespace lg
