// SPDX-License-Identifier: Apache-2.0
// The table of this family's kernels, made from kernels.inc.
#include "kernels/kv_store/kv_store.h"

namespace lg {
namespace {

constexpr Kernel<KvStoreKernel> kKernels[] = {
#define LG_KERNEL(isa, name, min_rows) LG_IF_##isa({#name, Isa::isa, &name, min_rows}, )
#include "kernels/kv_store/kernels.inc"
#undef LG_KERNEL
};

}  // namespace

KernelList<KvStoreKernel> KvStoreKernels() { return {kKernels, sizeof kKernels / sizeof kKernels[0]}; }

}  // namespace lg
