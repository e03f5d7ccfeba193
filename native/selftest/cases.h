// SPDX-License-Identifier: Apache-2.0
// The cases of each family. A case makes operands from `in`, runs the kernel on them and adds what it wrote to `out`.
#pragma once

#include "selftest/operands.h"
#include "selftest/selftest.h"

namespace lg {

template <typename Fn>
struct Cases {
  size_t count;
  void (*run)(size_t index, Fn* kernel, Operands& in, Results* out);
};

extern const Cases<AttentionKernel> kAttentionCases;
extern const Cases<KvStoreKernel> kKvStoreCases;
extern const Cases<Q4Q8MatmulKernel> kQ4Q8MatmulCases;
extern const Cases<QuantizeQ8Kernel> kQuantizeQ8Cases;
extern const Cases<RmsNormKernel> kRmsNormCases;
extern const Cases<RopeKernel> kRopeCases;
extern const Cases<SiluMulKernel> kSiluMulCases;
extern const Cases<SoftmaxKernel> kSoftmaxCases;

// Half of the cases have wild values.
inline Draw DrawOf(size_t index) { return index % 2 == 0 ? Draw::ordinary : Draw::wild; }

}  // namespace lg
