// SPDX-License-Identifier: Apache-2.0
// The table of families. A new family gets a line here and a Call class; a new kernel of a family needs nothing.
#include "lab/calls_attention.h"
#include "lab/calls_linear.h"
#include "lab/calls_vector.h"

namespace lg::lab {
namespace {

template <auto List>
size_t Count() {
  return List().count;
}

template <auto List>
KernelLine Line(size_t index) {
  const auto& kernel = List().kernels[index];
  return {kernel.name, kernel.isa, kernel.min_rows};
}

template <auto List>
const char* Select(Isa active, size_t rows) {
  return SelectKernel(List(), active, rows).name;
}

template <auto List, typename C>
std::unique_ptr<Call> Make(size_t index, Napi::Object args, Placement placement, std::string* error) {
  Arena arena;
  Reader in(args, placement, &arena);
  std::unique_ptr<Call> call = std::make_unique<C>(List().kernels[index].run, in);
  call->arena = std::move(arena);
  *error = in.error();
  return in.ok() ? std::move(call) : nullptr;
}

template <auto List, typename C>
constexpr Family Of(const char* name) {
  return {name, Count<List>, Line<List>, Select<List>, Make<List, C>};
}

constexpr Family kFamilies[] = {
    Of<Q4Q8MatmulKernels, Q4Q8MatmulCall>("q4q8_matmul"), Of<QuantizeQ8Kernels, QuantizeQ8Call>("quantize_q8"),
    Of<RmsNormKernels, RmsNormCall>("rms_norm"),          Of<RopeKernels, RopeCall>("rope"),
    Of<SiluMulKernels, SiluMulCall>("silu_mul"),          Of<SoftmaxKernels, SoftmaxCall>("softmax"),
    Of<AttentionKernels, AttentionCall>("attention"),     Of<KvStoreKernels, KvStoreCall>("kv_store"),
};

}  // namespace

const Family* FamilyAt(size_t index) {
  return index < sizeof kFamilies / sizeof kFamilies[0] ? &kFamilies[index] : nullptr;
}

}  // namespace lg::lab
