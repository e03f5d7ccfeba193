// SPDX-License-Identifier: Apache-2.0
// The definition of kv_store.
#include "base/f16.h"
#include "kernels/kv_store/kv_store.h"

namespace lg {

void kv_store_1x1_scalar(const KvStoreArgs& a) {
  uint16_t* const values = a.block + kKeyBlock * a.head_dim;
  for (size_t row = 0; row < a.rows; ++row) {
    const size_t slot = a.slot + row;
    for (size_t d = 0; d < a.head_dim; ++d) {
      a.block[d * kKeyBlock + slot] = F16FromFloat(a.keys[row * a.stride + d]);
      values[slot * a.head_dim + d] = F16FromFloat(a.values[row * a.stride + d]);
    }
  }
}

}  // namespace lg
