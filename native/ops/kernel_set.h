// SPDX-License-Identifier: Apache-2.0
// The kernels that one engine runs with: chosen once per instruction set, for matmul also by the number of rows.
#pragma once

#include "base/isa.h"
#include "kernels/attention/attention.h"
#include "kernels/kv_store/kv_store.h"
#include "kernels/q4q8_matmul/q4q8_matmul.h"
#include "kernels/quantize_q8/quantize_q8.h"
#include "kernels/rms_norm/rms_norm.h"
#include "kernels/rope/rope.h"
#include "kernels/silu_mul/silu_mul.h"
#include "kernels/softmax/softmax.h"

namespace lg {

struct KernelSet {
  explicit KernelSet(Isa active)
      : isa(active),
        quantize_q8(SelectKernel(QuantizeQ8Kernels(), active, 1).run),
        rms_norm(SelectKernel(RmsNormKernels(), active, 1).run),
        rope(SelectKernel(RopeKernels(), active, 1).run),
        kv_store(SelectKernel(KvStoreKernels(), active, 1).run),
        attention(SelectKernel(AttentionKernels(), active, 1).run),
        silu_mul(SelectKernel(SiluMulKernels(), active, 1).run),
        softmax(SelectKernel(SoftmaxKernels(), active, 1).run) {}

  Q4Q8MatmulKernel* q4q8_matmul(size_t rows) const { return SelectKernel(Q4Q8MatmulKernels(), isa, rows).run; }

  Isa isa;
  QuantizeQ8Kernel* quantize_q8;
  RmsNormKernel* rms_norm;
  RopeKernel* rope;
  KvStoreKernel* kv_store;
  AttentionKernel* attention;
  SiluMulKernel* silu_mul;
  SoftmaxKernel* softmax;
};

}  // namespace lg
