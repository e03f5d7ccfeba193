// SPDX-License-Identifier: Apache-2.0
// Every kernel that this CPU can run against the scalar one of its family, on operands made from fixed seeds: for machines
// that the tests never saw. It takes milliseconds, and knows nothing of Node.
#pragma once

#include <vector>

#include "base/cpu_features.h"
#include "base/status.h"
#include "kernels/attention/attention.h"
#include "kernels/kv_store/kv_store.h"
#include "kernels/q4q8_matmul/q4q8_matmul.h"
#include "kernels/quantize_q8/quantize_q8.h"
#include "kernels/rms_norm/rms_norm.h"
#include "kernels/rope/rope.h"
#include "kernels/silu_mul/silu_mul.h"
#include "kernels/softmax/softmax.h"

namespace lg {

enum class KernelHealth {
  equal,        // the bits of the scalar kernel in every case
  differs,      // other bits in at least one
  unsupported,  // not run: this CPU lacks the instruction set
};

struct SelfTestLine {
  const char* family;
  const char* kernel;
  Isa isa;
  KernelHealth health;
};

// What is tested, each list with its scalar kernel first; as it stands, all kernels of this binary.
struct KernelLists {
  KernelList<AttentionKernel> attention = AttentionKernels();
  KernelList<KvStoreKernel> kv_store = KvStoreKernels();
  KernelList<Q4Q8MatmulKernel> q4q8_matmul = Q4Q8MatmulKernels();
  KernelList<QuantizeQ8Kernel> quantize_q8 = QuantizeQ8Kernels();
  KernelList<RmsNormKernel> rms_norm = RmsNormKernels();
  KernelList<RopeKernel> rope = RopeKernels();
  KernelList<SiluMulKernel> silu_mul = SiluMulKernels();
  KernelList<SoftmaxKernel> softmax = SoftmaxKernels();
};

// One line for each kernel, families by name. `cpu`: what may be run; more than this CPU has ends the process.
// Error: OUT_OF_MEMORY.
Status SelfTest(const CpuFeatures& cpu, const KernelLists& lists, std::vector<SelfTestLine>* lines);

// "equal", "differs" or "unsupported".
const char* KernelHealthName(KernelHealth health);

}  // namespace lg
