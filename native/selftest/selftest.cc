// SPDX-License-Identifier: Apache-2.0
// Shapes cut the vectors and tiles of every kernel; the tests of native/ go further, but run on fewer machines.
#include "selftest/selftest.h"

#include "runtime/float_env.h"
#include "selftest/cases.h"

namespace lg {
namespace {

template <typename Fn>
Results RunAll(const Cases<Fn>& cases, Fn* kernel, AlignedBuffer<uint8_t>* memory) {
  Results results;
  for (size_t i = 0; i < cases.count; ++i) {
    Operands operands(memory, static_cast<uint32_t>(i + 1));
    cases.run(i, kernel, operands, &results);
  }
  return results;
}

// The kernels of one family, each against the first.
class Tester {
 public:
  Tester(const CpuFeatures& cpu, AlignedBuffer<uint8_t>* memory, std::vector<SelfTestLine>* lines)
      : cpu_(cpu), memory_(memory), lines_(lines) {}

  template <typename Fn>
  void Test(const char* family, KernelList<Fn> list, const Cases<Fn>& cases) {
    const Results expected = RunAll(cases, list.kernels[0].run, memory_);
    for (size_t i = 0; i < list.count; ++i) {
      const Kernel<Fn>& kernel = list.kernels[i];
      KernelHealth health = KernelHealth::unsupported;
      if (IsaSupported(kernel.isa, cpu_)) {
        health = RunAll(cases, kernel.run, memory_) == expected ? KernelHealth::equal : KernelHealth::differs;
      }
      lines_->push_back({family, kernel.name, kernel.isa, health});
    }
  }

 private:
  const CpuFeatures& cpu_;
  AlignedBuffer<uint8_t>* const memory_;
  std::vector<SelfTestLine>* const lines_;
};

}  // namespace

Status SelfTest(const CpuFeatures& cpu, const KernelLists& lists, std::vector<SelfTestLine>* lines) {
  AlignedBuffer<uint8_t> memory;
  if (!memory.Allocate(Operands::kBytes)) return Status::Error(kOutOfMemory, "Expected memory for the self-test, found too little");
  const ScopedFloatEnv float_env;
  Tester tester(cpu, &memory, lines);
  tester.Test("attention", lists.attention, kAttentionCases);
  tester.Test("kv_store", lists.kv_store, kKvStoreCases);
  tester.Test("q4q8_matmul", lists.q4q8_matmul, kQ4Q8MatmulCases);
  tester.Test("quantize_q8", lists.quantize_q8, kQuantizeQ8Cases);
  tester.Test("rms_norm", lists.rms_norm, kRmsNormCases);
  tester.Test("rope", lists.rope, kRopeCases);
  tester.Test("silu_mul", lists.silu_mul, kSiluMulCases);
  tester.Test("softmax", lists.softmax, kSoftmaxCases);
  return Status::Ok();
}

const char* KernelHealthName(KernelHealth health) {
  switch (health) {
    case KernelHealth::equal: return "equal";
    case KernelHealth::differs: return "differs";
    case KernelHealth::unsupported: return "unsupported";
  }
  return "";
}

}  // namespace lg
